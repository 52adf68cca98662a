//! What the inventory does alike wherever it keeps its data, asked as clients ask: run over memory by the unit tests of
//! `app::inventory`, over PostgreSQL by `tests/system/inventory.rs`.

pub mod client;
mod crowd;
mod listing;
mod orders;
mod products;

use firstbyte::app::inventory::repositories::Repositories;

use client::Client;

/// Everything that is asked of repositories that nobody else uses.
pub async fn all(repositories: Repositories) {
    let client = Client::new(repositories);
    // First: it counts on what is there.
    listing::all(&client).await;
    products::all(&client).await;
    orders::all(&client).await;
    crowd::all(&client).await;
}
