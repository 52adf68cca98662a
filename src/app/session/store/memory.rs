//! Owns sessions in memory, for one node: gone with the process.
//!
//! The one idea: sessions stand in three tables under one lock: by their hash, by their account, and by when they end, so
//! that those that are over are at one end.
//!
//! Never: holds more than `sessions_max`; gives a session that is over; decides by the clock on the wall.
//! Invariant: a session stands in all tables or in none.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;

use tokio::time::Instant;

use super::{Lifetime, Replaced};
use crate::app::accounts::AccountId;
use crate::app::session::domain::{DEVICE_CHARS_MAX, NewSession, Session, SessionId, Timestamp};
use crate::crypto::TokenHash;
use crate::net::lock::lock;

/// Sessions that are over and are forgotten with each one that is opened: more than are added.
const FORGOTTEN_AT_ONCE: usize = 4;

/// The least sessions of an account that a vector has room for.
const ROOM_MIN: usize = 4;

pub(super) struct Memory {
    lifetime: Lifetime,
    sessions_max: usize,
    tables: Mutex<Tables>,
}

#[derive(Default)]
struct Tables {
    sessions: HashMap<TokenHash, Kept>,
    /// The oldest first.
    by_account: HashMap<AccountId, Vec<TokenHash>>,
    by_end: BTreeSet<(Instant, TokenHash)>,
}

struct Kept {
    session: Session,
    ends_at: Instant,
    /// Whatever it is used for.
    ends_at_last: Instant,
    used_at: Instant,
}

impl Memory {
    pub fn new(lifetime: Lifetime, sessions_max: usize) -> Memory {
        assert!(sessions_max > 0 && lifetime.per_account_max > 0, "there is room for a session");
        Memory { lifetime, sessions_max, tables: Mutex::default() }
    }

    /// The most that `sessions_max` sessions take, each of an account of its own. A hash table is at most half empty, but
    /// for a moment when it doubles; the leaves of a tree are.
    pub fn bytes_max(sessions_max: usize) -> u64 {
        let places = (sessions_max * 8 / 7 + 1).next_power_of_two();
        let entries = size_of::<(TokenHash, Kept)>() + size_of::<(AccountId, Vec<TokenHash>)>() + 2;
        let owned = DEVICE_CHARS_MAX + ROOM_MIN * size_of::<TokenHash>() + size_of::<(Instant, TokenHash)>() * 5 / 2;
        (places * entries * 3 / 2 + sessions_max * owned) as u64
    }

    pub fn open(&self, new: NewSession, replaced: Replaced) -> Option<Session> {
        let (mut tables, now) = (lock(&self.tables), Instant::now());
        if tables.of(new.account).any(|kept| kept.session.generation > new.generation && kept.ends_at > now) {
            return None;
        }
        match replaced {
            Replaced::Nothing => {}
            Replaced::One(hash) => drop(tables.remove(&hash)),
            Replaced::All => drop(tables.remove_all(new.account)),
        }
        tables.forget_over(now);
        tables.remove_over_of(new.account, new.generation, now);
        while let Some(oldest) = tables.oldest_past(new.account, self.lifetime.per_account_max - 1) {
            tables.remove(&oldest);
        }
        if tables.sessions.len() >= self.sessions_max {
            tables.forget_first();
        }
        let session = new.opened(Timestamp::now());
        let ends_at_last = now + self.lifetime.absolute;
        let ends_at = ends_at_last.min(now + self.lifetime.idle);
        tables.add(Kept { session: session.clone(), ends_at, ends_at_last, used_at: now });
        Some(session)
    }

    pub fn find(&self, hash: &TokenHash) -> Option<Session> {
        let (mut tables, now) = (lock(&self.tables), Instant::now());
        let Tables { sessions, by_end, .. } = &mut *tables;
        let kept = sessions.get_mut(hash)?;
        if kept.ends_at <= now {
            tables.remove(hash);
            return None;
        }
        let session = kept.session.clone();
        if now - kept.used_at >= self.lifetime.touch {
            by_end.remove(&(kept.ends_at, *hash));
            (kept.used_at, kept.session.used) = (now, Timestamp::now());
            kept.ends_at = kept.ends_at_last.min(now + self.lifetime.idle);
            by_end.insert((kept.ends_at, *hash));
        }
        Some(session)
    }

    pub fn list(&self, account: AccountId) -> Vec<Session> {
        let (tables, now) = (lock(&self.tables), Instant::now());
        tables.of(account).rev().filter(|kept| kept.ends_at > now).map(|kept| kept.session.clone()).collect()
    }

    pub fn end_held(&self, hash: &TokenHash) -> bool {
        let (mut tables, now) = (lock(&self.tables), Instant::now());
        tables.remove(hash).is_some_and(|kept| kept.ends_at > now)
    }

    pub fn end(&self, account: AccountId, id: SessionId) -> bool {
        let (mut tables, now) = (lock(&self.tables), Instant::now());
        let named = tables.of(account).map(|kept| kept.session.hash).find(|hash| SessionId::of(hash) == id);
        named.and_then(|hash| tables.remove(&hash)).is_some_and(|kept| kept.ends_at > now)
    }

    pub fn end_all(&self, account: AccountId) -> usize {
        let (mut tables, now) = (lock(&self.tables), Instant::now());
        tables.remove_all(account).iter().filter(|kept| kept.ends_at > now).count()
    }
}

impl Tables {
    fn add(&mut self, kept: Kept) {
        let (hash, account) = (kept.session.hash, kept.session.account);
        self.by_account.entry(account).or_default().push(hash);
        self.by_end.insert((kept.ends_at, hash));
        self.sessions.insert(hash, kept);
    }

    fn remove(&mut self, hash: &TokenHash) -> Option<Kept> {
        let kept = self.sessions.remove(hash)?;
        self.by_end.remove(&(kept.ends_at, *hash));
        let account = kept.session.account;
        if let Some(hashes) = self.by_account.get_mut(&account) {
            hashes.retain(|other| other != hash);
            // A vector never gives room back by itself.
            hashes.shrink_to(ROOM_MIN);
            if hashes.is_empty() {
                self.by_account.remove(&account);
            }
        }
        Some(kept)
    }

    fn remove_all(&mut self, account: AccountId) -> Vec<Kept> {
        let hashes = self.by_account.get(&account).cloned().unwrap_or_default();
        hashes.iter().filter_map(|hash| self.remove(hash)).collect()
    }

    /// The sessions of `account`, the oldest first.
    fn of(&self, account: AccountId) -> impl DoubleEndedIterator<Item = &Kept> {
        let hashes = self.by_account.get(&account).map_or(&[][..], Vec::as_slice);
        hashes.iter().filter_map(|hash| self.sessions.get(hash))
    }

    /// What is over, or of an earlier generation than `generation`, takes no place from what is not.
    fn remove_over_of(&mut self, account: AccountId, generation: u32, now: Instant) {
        let is_over = |kept: &&Kept| kept.ends_at <= now || kept.session.generation < generation;
        let over: Vec<TokenHash> = self.of(account).filter(is_over).map(|kept| kept.session.hash).collect();
        over.iter().for_each(|hash| drop(self.remove(hash)));
    }

    /// The oldest session of `account`, when it has more than `count`.
    fn oldest_past(&self, account: AccountId, count: usize) -> Option<TokenHash> {
        self.by_account.get(&account).filter(|hashes| hashes.len() > count).and_then(|hashes| hashes.first()).copied()
    }

    fn forget_over(&mut self, now: Instant) {
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.by_end.first().is_some_and(|(ends_at, _)| *ends_at <= now) {
                self.forget_first();
            }
        }
    }

    fn forget_first(&mut self) {
        if let Some(&(_, hash)) = self.by_end.first() {
            self.remove(&hash);
        }
    }
}
