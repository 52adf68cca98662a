//! Owns the four handlers: each reads its input, asks the store once, and answers.
//!
//! Never: knows who may ask or how often; that is decided before.

use std::sync::Arc;

use crate::app::chain::PREFIX;
use crate::app::chain::domain::{NewQuote, PageMeta, PageQuery, Quote, QuoteId};
use crate::app::chain::error::Error;
use crate::app::chain::store::QuoteStore;
use crate::http::envelope::Success;
use crate::http::field::name;
use crate::http::{IntoResponse, Request, Response, Status};

pub(super) async fn list<S: QuoteStore>(
    store: Arc<S>,
    request: Request,
) -> Result<Success<Vec<Quote>, PageMeta>, Error> {
    let page = request.query::<PageQuery>()?.page().map_err(Error::InvalidQuery)?;
    let (quotes, total) = store.page(page).await?;
    Ok(Success::new(quotes).with_meta(page.of(total)))
}

pub(super) async fn one<S: QuoteStore>(store: Arc<S>, request: Request) -> Result<Success<Quote>, Error> {
    let id: QuoteId = request.path("id")?;
    let quote = store.find(id).await?.ok_or(Error::NotFound(id))?;
    Ok(Success::new(quote))
}

pub(super) async fn random<S: QuoteStore>(store: Arc<S>, _: Request) -> Result<Response, Error> {
    let quote = store.random().await?.ok_or(Error::NoQuotes)?;
    Ok(Success::new(quote).into_response().with(name::CACHE_CONTROL, "no-store"))
}

pub(super) async fn add<S: QuoteStore>(store: Arc<S>, mut request: Request) -> Result<Response, Error> {
    let quote = NewQuote::parse(request.json().await?).map_err(Error::InvalidQuote)?;
    let quote = store.add(quote).await?;
    let location = format!("{PREFIX}/quotes/{}", quote.id);
    Ok((Status::CREATED, Success::new(quote)).into_response().with(name::LOCATION, location))
}
