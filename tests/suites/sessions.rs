//! What every place that keeps sessions does alike. Run over memory by the unit tests of `app::session`, over Redis by
//! `tests/system/sessions.rs`.

use std::time::Duration;

use firstbyte::app::accounts::{Account, AccountId, AccountName};
use firstbyte::app::session::domain::{Device, NewSession, Session, SessionId};
use firstbyte::app::session::store::{Lifetime, Replaced, Store};
use firstbyte::crypto::{Token, TokenHash};

const LONG: Duration = Duration::from_secs(600);

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(20);

pub fn account() -> Account {
    Account { id: AccountId::random(), name: AccountName::parse("ada").unwrap(), roles: Vec::new(), generation: 3 }
}

pub fn new(account: &Account) -> NewSession {
    NewSession::of(account, Token::random().hash(), Device::of(Some("curl/8.0")))
}

pub async fn opened(store: &Store, account: &Account) -> Session {
    replacing(store, account, Replaced::Nothing).await
}

async fn replacing(store: &Store, account: &Account, replaced: Replaced) -> Session {
    store.open(new(account), replaced).await.unwrap().expect("no later generation")
}

async fn is_there(store: &Store, session: &Session) -> bool {
    store.find(&session.hash).await.unwrap().is_some()
}

/// The ids of an account's sessions.
async fn listed(store: &Store, account: &Account) -> Vec<SessionId> {
    store.list(account.id).await.unwrap().iter().map(Session::id).collect()
}

/// Everything that is asked of a store.
pub async fn store(open: impl Fn(Lifetime) -> Store) {
    let store = open(Lifetime::default());
    a_session_is_there_until_it_is_ended(&store).await;
    what_was_never_opened_is_not_there(&store).await;
    what_is_replaced_goes_in_the_same_step(&store).await;
    who_holds_a_session_ends_it(&store).await;
    what_was_verified_before_the_password_was_changed_opens_nothing(&store).await;
    let each_use_is_written = open(Lifetime { touch: Duration::ZERO, ..Lifetime::default() });
    who_uses_a_session_while_it_is_ended_does_not_keep_it(&each_use_is_written).await;
    the_oldest_goes_when_there_are_too_many(&open).await;
    time_ends_a_session(&open).await;
}

async fn a_session_is_there_until_it_is_ended(store: &Store) {
    let (ada, bob) = (account(), account());
    let (first, second, other) = (opened(store, &ada).await, opened(store, &ada).await, opened(store, &bob).await);
    let found = store.find(&first.hash).await.unwrap().unwrap();
    assert_eq!((found.account, found.generation, found.created), (ada.id, 3, first.created));
    assert_eq!((found.device.text(), found.secret), ("curl 8.0", first.secret));
    assert_eq!(listed(store, &ada).await, [second.id(), first.id()], "the last one first");
    assert_eq!(store.list(ada.id).await.unwrap()[1], first);

    assert!(!store.end(bob.id, first.id()).await.unwrap(), "it is not bob's");
    assert!(store.end(ada.id, first.id()).await.unwrap());
    assert!(!is_there(store, &first).await && is_there(store, &second).await);
    assert!(!store.end(ada.id, first.id()).await.unwrap());
    let third = opened(store, &ada).await;
    assert_eq!(store.end_all(ada.id).await.unwrap(), 2);
    assert!(!is_there(store, &second).await && !is_there(store, &third).await && is_there(store, &other).await);
    assert_eq!((store.end_all(ada.id).await.unwrap(), listed(store, &ada).await), (0, vec![]));
}

async fn what_was_never_opened_is_not_there(store: &Store) {
    for hash in [Token::random().hash(), TokenHash::of_bytes([0; 32])] {
        assert_eq!(store.find(&hash).await.unwrap(), None);
        assert_eq!(store.find(&hash).await.unwrap(), None, "and asking has made none");
    }
    assert_eq!(store.list(AccountId::random()).await.unwrap(), []);
}

async fn what_is_replaced_goes_in_the_same_step(store: &Store) {
    let (ada, bob) = (account(), account());
    let (one, other, of_bob) = (opened(store, &ada).await, opened(store, &ada).await, opened(store, &bob).await);
    let next = replacing(store, &ada, Replaced::One(one.hash)).await;
    assert!(!is_there(store, &one).await && is_there(store, &other).await);
    // Somebody logs in as another one: the session of before goes, whosever it was.
    let as_bob = replacing(store, &bob, Replaced::One(next.hash)).await;
    assert!(!is_there(store, &next).await);
    assert_eq!(listed(store, &ada).await, [other.id()]);
    replacing(store, &bob, Replaced::One(Token::random().hash())).await;
    let last = replacing(store, &bob, Replaced::All).await;
    assert!(!is_there(store, &of_bob).await && !is_there(store, &as_bob).await && is_there(store, &other).await);
    assert_eq!(listed(store, &bob).await, [last.id()]);
}

async fn who_holds_a_session_ends_it(store: &Store) {
    let ada = account();
    let (one, other) = (opened(store, &ada).await, opened(store, &ada).await);
    assert!(store.end_held(&one.hash).await.unwrap());
    assert!(!is_there(store, &one).await && is_there(store, &other).await);
    assert_eq!(listed(store, &ada).await, [other.id()]);
    assert!(!store.end_held(&one.hash).await.unwrap() && !store.end_held(&Token::random().hash()).await.unwrap());
}

/// Who knows the old password has had logins under way when it was changed.
async fn what_was_verified_before_the_password_was_changed_opens_nothing(store: &Store) {
    let before = account();
    let after = Account { generation: before.generation + 1, ..before.clone() };
    let old = opened(store, &before).await;
    let new_one = opened(store, &after).await;
    assert!(!is_there(store, &old).await, "it went, though nobody ended it");
    for replaced in [Replaced::Nothing, Replaced::One(new_one.hash), Replaced::All] {
        for _ in 0..Lifetime::default().per_account_max {
            assert_eq!(store.open(new(&before), replaced).await.unwrap(), None, "{replaced:?}");
        }
    }
    assert!(is_there(store, &new_one).await);
    assert_eq!(listed(store, &before).await, [new_one.id()], "and it has thrown out none");
}

async fn who_uses_a_session_while_it_is_ended_does_not_keep_it(store: &Store) {
    let ada = account();
    for _ in 0..10 {
        let session = opened(store, &ada).await;
        let users = (0..8).map(|_| {
            let (store, hash) = (store.clone(), session.hash);
            tokio::spawn(async move { while store.find(&hash).await.unwrap().is_some() {} })
        });
        let users: Vec<_> = users.collect();
        assert!(store.end(ada.id, session.id()).await.unwrap());
        assert!(!is_there(store, &session).await, "at once");
        for user in users {
            tokio::time::timeout(SOON, user).await.expect("none goes on").unwrap();
        }
        assert!(!is_there(store, &session).await && listed(store, &ada).await.is_empty());
    }
}

async fn the_oldest_goes_when_there_are_too_many(open: impl Fn(Lifetime) -> Store) {
    let store = open(Lifetime { per_account_max: 3, touch: Duration::ZERO, ..Lifetime::default() });
    let (ada, bob) = (account(), account());
    let of_bob = opened(&store, &bob).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(opened(&store, &ada).await);
        // That it is used does not make it younger.
        is_there(&store, &sessions[0]).await;
    }
    let mut there = Vec::new();
    for session in &sessions {
        there.push(is_there(&store, session).await);
    }
    assert_eq!(there, [false, false, true, true, true]);

    let opening = (0..50).map(|_| {
        let (store, ada) = (store.clone(), ada.clone());
        tokio::spawn(async move { opened(&store, &ada).await })
    });
    let mut left = 0;
    let opening: Vec<_> = opening.collect();
    let mut all = Vec::new();
    for opening in opening {
        all.push(opening.await.unwrap());
    }
    for session in &all {
        left += u32::from(is_there(&store, session).await);
    }
    assert_eq!((left, listed(&store, &ada).await.len()), (3, 3), "however many come at once");
    assert!(is_there(&store, &of_bob).await);
}

async fn time_ends_a_session(open: impl Fn(Lifetime) -> Store) {
    let short = Duration::from_millis(100);
    let two = Lifetime { per_account_max: 2, ..Lifetime::default() };
    let idle = open(Lifetime { idle: short, touch: LONG, ..two });
    let in_all = open(Lifetime { absolute: short, touch: Duration::ZERO, ..two });
    for store in [idle, in_all] {
        let ada = account();
        let (session, forgotten) = (opened(&store, &ada).await, opened(&store, &ada).await);
        let over = async { while is_there(&store, &session).await {} };
        tokio::time::timeout(SOON, over).await.expect("it ends, though it is used");
        let over = async { while is_there(&store, &forgotten).await {} };
        tokio::time::timeout(SOON, over).await.expect("it ends, too");
        assert_eq!(listed(&store, &ada).await, []);
        assert!(!store.end(ada.id, session.id()).await.unwrap());
    }
    what_is_over_takes_no_place(open, short).await;
}

/// A place that one which is over kept would be missing: the second new one would throw out the first.
async fn what_is_over_takes_no_place(open: impl Fn(Lifetime) -> Store, short: Duration) {
    let lifetime = Lifetime { per_account_max: 2, ..Lifetime::default() };
    let (brief, lasting) = (open(Lifetime { absolute: short, ..lifetime }), open(lifetime));
    // In memory these are two places; in Redis they are one.
    for store in [&brief, &lasting] {
        let ada = account();
        let over = opened(&brief, &ada).await;
        opened(&brief, &ada).await;
        let ends = async { while is_there(&brief, &over).await {} };
        tokio::time::timeout(SOON, ends).await.expect("it ends");
        let (first, second) = (opened(store, &ada).await, opened(store, &ada).await);
        assert_eq!(listed(store, &ada).await, [second.id(), first.id()]);
    }
}
