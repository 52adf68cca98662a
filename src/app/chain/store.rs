//! Owns what the application asks of whatever keeps its quotes.
//!
//! The one idea: four questions, each a future, so that a database can answer them as well as a list in memory.
//!
//! Never: knows HTTP.

use std::fmt;
use std::future::Future;

use crate::app::chain::domain::{NewQuote, Page, Quote, QuoteId};

/// Keeps quotes. Each method may be dropped at any await: what was asked for has then happened or not, as a whole.
pub trait QuoteStore: Send + Sync + 'static {
    /// The quotes of a page in the order of their numbers, and how many there are in all.
    fn page(&self, page: Page) -> impl Future<Output = Result<(Vec<Quote>, u64), StoreError>> + Send;

    /// The quote with number `id`.
    fn find(&self, id: QuoteId) -> impl Future<Output = Result<Option<Quote>, StoreError>> + Send;

    /// Any quote, each as likely as the others; nothing when there is none.
    fn random(&self) -> impl Future<Output = Result<Option<Quote>, StoreError>> + Send;

    /// Adds a quote and gives it a number.
    fn add(&self, quote: NewQuote) -> impl Future<Output = Result<Quote, StoreError>> + Send;
}

/// Why a store did not do as asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It keeps as many quotes as it may.
    Full {
        /// That many.
        quotes_max: usize,
    },
    /// It failed. The details are for the log.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Full { quotes_max } => write!(f, "{quotes_max} quotes are kept already"),
            StoreError::Failed(error) => write!(f, "the store failed: {error}"),
        }
    }
}

impl std::error::Error for StoreError {}
