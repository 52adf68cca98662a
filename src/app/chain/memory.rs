//! Owns quotes in memory: a list behind a lock, with an end.
//!
//! The one idea: numbers rise by one and nothing is deleted, so a quote's number is its place.
//!
//! When the bound is reached, adding is refused. Dropping the oldest instead would take away what somebody has linked to.
//!
//! Never: holds the lock over an await; survives its process.
//! Invariant: `quotes[n].id == n + 1`.
//! Limits: `quotes_max`; a quote has less than 2 KiB.

use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};

use crate::app::chain::domain::{AUTHOR_CHARS_MAX, NewQuote, Page, Quote, QuoteId, SOURCE_CHARS_MAX, TEXT_CHARS_MAX};
use crate::app::chain::seeds::SEEDS;
use crate::app::chain::store::{QuoteStore, StoreError};

/// The text of a quote: each of its characters takes at most four bytes.
const QUOTE_BYTES_MAX: u64 = 4 * (TEXT_CHARS_MAX + AUTHOR_CHARS_MAX + SOURCE_CHARS_MAX) as u64;

/// Quotes in memory.
#[derive(Debug)]
pub struct MemoryStore {
    quotes: RwLock<Vec<Quote>>,
    quotes_max: usize,
}

impl MemoryStore {
    /// A store that begins with the quotes that the program brings along, as many as it may keep.
    pub fn seeded(quotes_max: usize) -> MemoryStore {
        let seeds = SEEDS.iter().take(quotes_max).zip(1..);
        let quotes = seeds.map(|(&(text, author, source), id)| NewQuote::known(text, author, source).numbered(id));
        MemoryStore { quotes: RwLock::new(quotes.collect()), quotes_max }
    }

    /// The most bytes that `quotes_max` quotes can take: each the longest there is, in a list that doubles as it grows.
    pub fn bytes_max(quotes_max: usize) -> u64 {
        let places = quotes_max.max(4).checked_next_power_of_two().unwrap_or(usize::MAX) as u64;
        let list = places.saturating_mul(2 * size_of::<Quote>() as u64);
        list.saturating_add((quotes_max as u64).saturating_mul(QUOTE_BYTES_MAX))
    }

    fn read<T>(&self, look: impl FnOnce(&[Quote]) -> T) -> T {
        look(&self.quotes.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl QuoteStore for MemoryStore {
    async fn page(&self, page: Page) -> Result<(Vec<Quote>, u64), StoreError> {
        let skip = usize::try_from(page.skip()).unwrap_or(usize::MAX);
        Ok(self.read(|quotes| {
            let shown = quotes.iter().skip(skip).take(page.limit() as usize);
            (shown.cloned().collect(), quotes.len() as u64)
        }))
    }

    async fn find(&self, id: QuoteId) -> Result<Option<Quote>, StoreError> {
        let place = id.checked_sub(1).and_then(|place| usize::try_from(place).ok());
        Ok(self.read(|quotes| place.and_then(|place| quotes.get(place).cloned())))
    }

    async fn random(&self) -> Result<Option<Quote>, StoreError> {
        // A fresh hasher has a fresh key: chance enough for a quote, and no crate for it.
        let chance = RandomState::new().hash_one(());
        Ok(self.read(|quotes| {
            let place = chance.checked_rem(quotes.len() as u64)?;
            quotes.get(place as usize).cloned()
        }))
    }

    async fn add(&self, quote: NewQuote) -> Result<Quote, StoreError> {
        let mut quotes = self.quotes.write().unwrap_or_else(PoisonError::into_inner);
        if quotes.len() >= self.quotes_max {
            return Err(StoreError::Full { quotes_max: self.quotes_max });
        }
        let quote = quote.numbered(quotes.len() as u64 + 1);
        quotes.push(quote.clone());
        Ok(quote)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::app::chain::domain::PageQuery;

    #[tokio::test]
    async fn numbers_rise_until_the_store_is_full() {
        let store = MemoryStore::seeded(SEEDS.len() + 2);
        let add = || store.add(NewQuote::known("x", "y", "z"));
        assert_eq!(add().await.expect("room").id, SEEDS.len() as u64 + 1);
        assert_eq!(add().await.expect("room").id, SEEDS.len() as u64 + 2);
        assert!(matches!(add().await, Err(StoreError::Full { .. })));
        assert_eq!(store.page(PageQuery::default().page().expect("a page")).await.expect("quotes").1, 32);
    }

    #[tokio::test]
    async fn numbers_that_nobody_has_find_nothing() {
        let store = MemoryStore::seeded(2);
        for (id, there) in [(0, false), (1, true), (2, true), (3, false), (u64::MAX, false)] {
            assert_eq!(store.find(id).await.expect("an answer").map(|quote| quote.id), there.then_some(id));
        }
    }

    #[tokio::test]
    async fn chance_reaches_every_quote_and_needs_one() {
        let store = MemoryStore::seeded(5);
        let mut seen = HashSet::new();
        for _ in 0..500 {
            seen.insert(store.random().await.expect("an answer").expect("a quote").id);
        }
        assert_eq!(seen, HashSet::from([1, 2, 3, 4, 5]));
        assert_eq!(MemoryStore::seeded(0).random().await.expect("an answer"), None);
    }

    #[tokio::test]
    async fn the_longest_quotes_take_no_more_than_is_said() {
        let quote = || NewQuote::known(&"😀".repeat(280), &"😀".repeat(80), &"😀".repeat(120));
        for quotes_max in [1, 31, 100, 1_000, 1_025] {
            let store = MemoryStore { quotes: RwLock::default(), quotes_max };
            while store.add(quote()).await.is_ok() {}
            let quotes = store.quotes.read().unwrap();
            let texts = quotes.iter().map(|quote| quote.text.capacity() + quote.author.capacity());
            let sources = quotes.iter().filter_map(|quote| quote.source.as_ref()).map(String::capacity);
            let held = texts.sum::<usize>() + sources.sum::<usize>() + quotes.capacity() * size_of::<Quote>();
            assert!(held as u64 <= MemoryStore::bytes_max(quotes_max), "{quotes_max}: {held} bytes");
        }
    }

    #[test]
    fn the_seeds_are_quotes_that_a_client_could_have_added() {
        assert_eq!(SEEDS.len(), 30);
        let texts: HashSet<_> = SEEDS.iter().map(|(text, ..)| text).collect();
        assert_eq!(texts.len(), SEEDS.len(), "one stands twice");
        for (text, author, source) in SEEDS {
            for (part, chars_max) in [(text, TEXT_CHARS_MAX), (author, AUTHOR_CHARS_MAX), (source, SOURCE_CHARS_MAX)] {
                assert!(!part.is_empty() && part.trim() == part && part.chars().count() <= chars_max, "{part}");
            }
        }
    }
}
