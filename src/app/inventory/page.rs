//! Owns the page: products to look through and to edit, orders to place and to cancel, by plain forms.
//!
//! ```text
//!   GET /inventory, /inventory/new, /inventory/products/{id}, /inventory/orders…
//!        └──form──> POST ──done──> 303 ──> GET          (a reload does nothing again)
//!                    └ not done: the page with what is wrong at its field, under the status of that
//!
//!   request_id → trusted_proxies → logger → recover → security_headers → same_origin → body_limit → timeout → these handlers
//! ```
//!
//! The one idea: a form is a client like any other. It shows the version that it was made of, as a program does with If-Match,
//! and a key, as with Idempotency-Key; so two people who edit one product do not undo each other, and a double click orders
//! once. As long as nobody knows what has come of an order, its form keeps its key: sent again, it is not another order.
//!
//! Spec: RFC 9110 15.4.4 (303); HTML 4.10 (forms).
//! Never: needs a script; writes a text that was not escaped; has a rule that the API has not.

mod form;
mod frame;
mod money;
mod orders;
mod product;
mod shelf;

use serde::Deserialize;
use uuid::Uuid;

use crate::app::inventory::InventoryConfig;
use crate::app::inventory::domain::cursor::parse_id;
use crate::app::inventory::domain::preconditions::Versions;
use crate::app::inventory::domain::{Details, Draft, Key, OrderQuery, Preconditions, ProductQuery, new_id, now};
use crate::app::inventory::error::Error;
use crate::app::inventory::handlers::keyed;
use crate::app::inventory::services::Inventory;
use crate::app::page::{self, Asset, escaped};
use crate::http::middleware::{
    BodyLimit, Logger, Recover, RequestId, SameOrigin, SecurityHeaders, Timeout, TrustedProxies,
};
use crate::http::router::Routes;
use crate::http::{Handler, Middleware, Request, Response, Router, Status};
use crate::net::context::Context;
use form::{Form, OrderForm};
use frame::{Unshown, alert, done, leaf, mistakes, notice, refused, sentence, shown, tabs};
use product::Desk;
use shelf::Asked;

/// Where the page is mounted.
pub const PREFIX: &str = "/inventory";

static STYLE: Asset = Asset::new("/assets/inventory.css", "text/css; charset=utf-8", include_str!("page/page.css"));

/// Where its orders are.
const ORDERS: &str = "/inventory/orders";

/// Adds the files that the page needs.
pub fn assets<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    STYLE.route(router)
}

/// The page, to be mounted at [`PREFIX`].
pub fn routes(config: InventoryConfig, inventory: Inventory) -> impl Handler {
    // Inside out: the last line is the outermost layer.
    let chain = Timeout::new(config.timeout).around(table(inventory));
    let chain = BodyLimit::new(config.content_bytes_max).around(chain);
    let chain = SameOrigin.around(chain);
    let chain = SecurityHeaders::default().around(chain);
    let chain = Recover.around(chain);
    let chain = Logger.around(chain);
    let chain = TrustedProxies::new(config.trusted_proxies).around(chain);
    RequestId.around(chain)
}

/// The routes of the page alone.
pub(super) fn table(inventory: Inventory) -> Routes {
    let routes = Router::new(inventory).group(PREFIX, |router| {
        router
            .route("GET ", shelf)
            .route("GET /new", new)
            .route("POST /products", add)
            .route("GET /products/{id}", show)
            .route("POST /products/{id}", save)
            .route("POST /products/{id}/delete", delete)
            .route("GET /orders", orders)
            .route("POST /orders", place)
            .route("GET /orders/{id}", order)
            .route("POST /orders/{id}/cancel", cancel)
    });
    routes.build().expect("ten patterns that do not meet")
}

/// Which orders are asked for, as the address says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct OrdersAsked {
    status: String,
    after: String,
}

/// What somebody wanted of a product.
#[derive(Debug)]
enum Wanted {
    Save(Form),
    Delete,
    Order(OrderForm),
}

async fn shelf(inventory: Inventory, request: Request) -> Result<Response, Unshown> {
    let context = request.context().clone();
    let asked: Asked = request.query()?;
    let found = async {
        let query = ProductQuery::parse(form_urlencoded::parse(asked.query().as_bytes()))?;
        inventory.products(&context, &query).await
    };
    Ok(match found.await {
        Ok(page) => {
            let shelf = shelf::shelf(&asked, &page.rows, page.meta.next.as_deref());
            shown("Inventory", &tabs(PREFIX, &done(&request), &shelf))
        }
        Err(error) => refused("Inventory", &tabs(PREFIX, &sentence(&error), &shelf::search(&asked)), &error),
    })
}

async fn new(_: Inventory, _: Request) -> Response {
    shown("New product", &leaf("New product", "", &product::new(&Form::empty(), &[])))
}

async fn add(inventory: Inventory, mut request: Request) -> Result<Response, Unshown> {
    let context = request.context().clone();
    let form: Form = request.form().await?;
    let added = async {
        let details = Details::parse(form.content().into())?;
        inventory.add(&context, details, None).await
    };
    Ok(match added.await {
        Ok(added) => to(&format!("{PREFIX}/products/{}?done=added", added.value().id)),
        Err(error) => {
            let form = product::new(&form, mistakes(&error));
            refused("New product", &leaf("New product", &notice(&error), &form), &error)
        }
    })
}

async fn show(inventory: Inventory, request: Request) -> Result<Response, Unshown> {
    let product = inventory.product(request.context(), id(&request, "product")?).await?;
    let (form, order, key) = (Form::of(&product), OrderForm::usual(), fresh_key());
    let desk = Desk { product: &product, form: &form, order: &order, mistakes: &[], key: &key };
    Ok(shown(&product.details.name, &leaf(&product.details.name, &done(&request), &desk.html())))
}

async fn save(inventory: Inventory, mut request: Request) -> Result<Response, Unshown> {
    let context = request.context().clone();
    let id = id(&request, "product")?;
    let form: Form = request.form().await?;
    let saved = async {
        let details = Details::parse(form.content().into())?;
        inventory.replace(&context, id, &of_version(&form), details).await
    };
    match saved.await {
        Ok(_) => Ok(to(&format!("{PREFIX}/products/{id}?done=saved"))),
        Err(error) => retold(&inventory, &context, id, &Wanted::Save(form), &error).await,
    }
}

async fn delete(inventory: Inventory, mut request: Request) -> Result<Response, Unshown> {
    let id = id(&request, "product")?;
    let form: Form = request.form().await?;
    match inventory.delete(request.context(), id, &of_version(&form)).await {
        Ok(()) => Ok(to(&format!("{PREFIX}?done=deleted"))),
        Err(error) => retold(&inventory, request.context(), id, &Wanted::Delete, &error).await,
    }
}

async fn place(inventory: Inventory, mut request: Request) -> Result<Response, Unshown> {
    let context = request.context().clone();
    let mut form: OrderForm = request.form().await?;
    let id = parse_id(&form.product_id).ok_or(Error::NotFound("product"))?;
    let key = Key::parse(&form.key).unwrap_or_else(fresh_key);
    key.text().clone_into(&mut form.key);
    let content = form.content();
    let placed = async {
        let draft = Draft::parse(content.clone(), new_id(), now())?;
        inventory.place(&context, &draft, keyed(key, &content)).await
    };
    match placed.await {
        Ok(placed) => Ok(to(&format!("{ORDERS}/{}?done=placed", placed.value().id))),
        Err(error) => retold(&inventory, &context, id, &Wanted::Order(form), &error).await,
    }
}

/// The product as it is, with what somebody wanted of it and why it was not done.
async fn retold(
    inventory: &Inventory,
    context: &Context,
    id: Uuid,
    wanted: &Wanted,
    error: &Error,
) -> Result<Response, Unshown> {
    let product = match inventory.product(context, id).await {
        Ok(product) => &product.clone(),
        // What keeps the product from being shown is worse than what it was to tell.
        Err(error) => {
            let html = unseen(id, wanted, &error);
            return Ok(refused("Inventory", &leaf("Inventory", &sentence(&error), &html), &error));
        }
    };
    let (there, usual, key) = (Form::of(product), OrderForm::usual(), &next_key(wanted, error));
    let (form, order) = match wanted {
        Wanted::Save(form) => (form, &usual),
        Wanted::Delete => (&there, &usual),
        Wanted::Order(order) => (&there, order),
    };
    let desk = Desk { product, form, order, mistakes: mistakes(error), key };
    let (words, html) = match (error, wanted) {
        (Error::Stale, Wanted::Save(_)) => {
            let (seen, now) = (escaped(&form.version), product.version);
            let words = format!("Somebody was faster: you have changed version {seen}, and version {now} is there.");
            (alert(&format!("{words} Nothing of yours is saved yet.")), desk.stale_html())
        }
        _ => (notice(error), desk.html()),
    };
    Ok(refused(&product.details.name, &leaf(&product.details.name, &words, &html), error))
}

/// The key of the form that is shown: that of the one that was sent, unless it is used up. What was refused has left none
/// behind, and what may have been done is not to be done twice.
fn next_key(wanted: &Wanted, error: &Error) -> Key {
    match (wanted, error) {
        (Wanted::Order(form), error) if !matches!(error, Error::KeyReused) => Key::parse(&form.key),
        _ => None,
    }
    .unwrap_or_else(fresh_key)
}

/// What somebody has written, while its product cannot be shown.
fn unseen(id: Uuid, wanted: &Wanted, error: &Error) -> String {
    match (wanted, error) {
        (Wanted::Save(form), Error::NotFound(_)) => product::new(form, &[]),
        (Wanted::Save(form), _) => product::again(id, form),
        (Wanted::Delete, _) | (Wanted::Order(_), Error::NotFound(_)) => String::new(),
        (Wanted::Order(order), _) => product::order_again(order),
    }
}

async fn orders(inventory: Inventory, request: Request) -> Result<Response, Unshown> {
    let OrdersAsked { status, after } = request.query()?;
    let pairs = [("status", &status), ("after", &after)].into_iter().filter(|(_, value)| !value.is_empty());
    let query = OrderQuery::parse(pairs.map(|(name, value)| (name.into(), value.into())))?;
    let page = inventory.orders(request.context(), &query).await?;
    let list = orders::list(&status, &page.rows, page.meta.next.as_deref());
    Ok(shown("Orders", &tabs(ORDERS, "", &list)))
}

async fn order(inventory: Inventory, request: Request) -> Result<Response, Unshown> {
    let order = inventory.order(request.context(), id(&request, "order")?).await?;
    Ok(shown("An order", &leaf("An order", &done(&request), &orders::order(&order))))
}

async fn cancel(inventory: Inventory, request: Request) -> Result<Response, Unshown> {
    let id = id(&request, "order")?;
    let Err(error) = inventory.cancel(request.context(), id).await else {
        return Ok(to(&format!("{ORDERS}/{id}?done=cancelled")));
    };
    let order = inventory.order(request.context(), id).await?;
    Ok(refused("An order", &leaf("An order", &notice(&error), &orders::order(&order)), &error))
}

/// The number in the path. One that is none is that of nothing.
fn id(request: &Request, what: &'static str) -> Result<Uuid, Error> {
    request.path::<String>("id").ok().and_then(|text| parse_id(&text)).ok_or(Error::NotFound(what))
}

/// What a form wants to be true: that the version it was made of is there.
fn of_version(form: &Form) -> Preconditions {
    Preconditions { matches: Versions::These(form.version.parse().into_iter().collect()), none_matches: None }
}

/// A key that nobody has had.
fn fresh_key() -> Key {
    Key::parse(&new_id().to_string()).expect("a UUID is visible and short")
}

/// RFC 9110 15.4.4: the form was done; what there is to see is over there.
fn to(place: &str) -> Response {
    page::with_forms(Response::redirect(Status::SEE_OTHER, place))
}

#[cfg(test)]
mod tests;
