//! Owns how orders are shown: a list of them, and one with its lines.
//!
//! Never: writes a text that was not escaped; offers to cancel what cannot be cancelled.

use super::product::moment;
use super::{PREFIX, money};
use crate::app::inventory::domain::Order;
use crate::app::inventory::domain::order::{Line, Status};
use crate::app::page::escaped;

/// A page of orders, the newest first: `next` is where the one behind it begins.
pub(super) fn list(status: &str, orders: &[Order], next: Option<&str>) -> String {
    let rows: String = orders.iter().map(row).collect();
    let found = if rows.is_empty() {
        format!("<p class=\"empty\">No orders{}.</p>\n", if status.is_empty() { " yet" } else { " of this kind" })
    } else {
        format!(
            "<table class=\"shelf\">\n<thead><tr><th scope=\"col\">Order</th><th scope=\"col\" class=\"n\">Status</th>\
             <th scope=\"col\" class=\"n\">Pieces</th><th scope=\"col\" class=\"n\">Total</th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n"
        )
    };
    format!("{}{found}{}", kinds(status), pager(status, next))
}

fn kinds(chosen: &str) -> String {
    let kinds = Status::ALL.map(|status| kind(status.text(), status.text(), chosen)).concat();
    format!("<nav class=\"kinds\" aria-label=\"Status\">\n{}{kinds}</nav>\n", kind("", "all", chosen))
}

fn kind(status: &str, words: &str, chosen: &str) -> String {
    let current = if status == chosen { " aria-current=\"true\"" } else { "" };
    let query = if status.is_empty() { String::new() } else { format!("?status={status}") };
    format!("<a href=\"{PREFIX}/orders{query}\"{current}>{words}</a>\n")
}

fn row(order: &Order) -> String {
    let Order { id, status, .. } = order;
    let pieces: i64 = order.lines.iter().map(|line| line.quantity).sum();
    format!(
        "<tr><td><a class=\"name\" href=\"{PREFIX}/orders/{id}\">{}</a><span class=\"sku\">{id}</span></td>\
         <td class=\"n\">{}</td><td class=\"n less\" data-unit=\"pieces\">{pieces}</td><td class=\"n wide\">{}</td></tr>\n",
        moment(order.created_at),
        badge(*status),
        escaped(&money::price(order.total_cents, &order.currency)),
    )
}

fn badge(status: Status) -> String {
    format!("<span class=\"status {0}\">{0}</span>", status.text())
}

fn pager(status: &str, next: Option<&str>) -> String {
    let Some(next) = next else { return String::new() };
    let status = if status.is_empty() { String::new() } else { format!("&amp;status={status}") };
    format!(
        "<nav class=\"pager\" aria-label=\"Pages\">\n\
         <a class=\"button quiet\" href=\"{PREFIX}/orders?after={}{status}\">Next page</a>\n</nav>\n",
        escaped(next)
    )
}

/// One order.
pub(super) fn order(order: &Order) -> String {
    let Order { id, status, currency, .. } = order;
    let lines: String = order.lines.iter().map(|line| line_row(line, currency)).collect();
    format!(
        "<dl class=\"facts\"><dt>status</dt><dd>{status_badge}</dd><dt>placed</dt><dd>{placed}</dd>\
         <dt>changed</dt><dd>{changed}</dd><dt>as JSON</dt>\
         <dd><a href=\"/api/v1/orders/{id}\"><code>{id}</code></a></dd></dl>\n\
         <h2>Lines</h2>\n<table class=\"shelf\">\n<thead><tr><th scope=\"col\">Product</th>\
         <th scope=\"col\" class=\"n\">Pieces</th><th scope=\"col\" class=\"n\">Each</th>\
         <th scope=\"col\" class=\"n\">Sum</th></tr></thead>\n<tbody>\n{lines}</tbody>\n\
         <tfoot><tr><th scope=\"row\">Total</th><td></td><td></td><td class=\"n\"><b>{total}</b></td></tr></tfoot>\n</table>\n\
         {cancel}",
        status_badge = badge(*status),
        placed = moment(order.created_at),
        changed = moment(order.updated_at),
        total = escaped(&money::price(order.total_cents, currency)),
        cancel = cancel(order),
    )
}

fn line_row(line: &Line, currency: &str) -> String {
    let Line { product_id, sku, quantity, unit_price_cents } = line;
    let price = |minor: i64| escaped(&money::price(minor, currency));
    format!(
        "<tr><td><a class=\"name\" href=\"{PREFIX}/products/{product_id}\">{}</a></td><td class=\"n\" data-unit=\"pieces\">{quantity}</td>\
         <td class=\"n less\" data-unit=\"each\">{}</td><td class=\"n wide\">{}</td></tr>\n",
        escaped(sku),
        price(*unit_price_cents),
        price(quantity * unit_price_cents),
    )
}

fn cancel(order: &Order) -> String {
    if order.status != Status::Placed {
        return String::new();
    }
    format!(
        "<form method=\"post\" action=\"{PREFIX}/orders/{}/cancel\">\n<div class=\"actions\">\
         <button class=\"grave\">Cancel it</button></div>\n<p class=\"hint\">What it took goes back to the shelf.</p>\n</form>\n",
        order.id
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use uuid::Uuid;

    fn order_of(status: Status) -> Order {
        let line = |sku: &str, quantity, unit_price_cents| Line {
            product_id: Uuid::from_u128(7),
            sku: sku.to_owned(),
            quantity,
            unit_price_cents,
        };
        Order {
            id: Uuid::from_u128(9),
            status,
            lines: vec![line("LAMP-7", 3, 4990), line("SHADE", 1, 30)],
            total_cents: 15_000,
            currency: "EUR".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn an_order_is_shown_with_its_sums() {
        let html = order(&order_of(Status::Placed));
        for part in ["<b>150.00 EUR</b>", ">149.70 EUR<", ">49.90 EUR<", ">LAMP-7</a>", "1970-01-01 00:00 UTC"] {
            assert!(html.contains(part), "{part}: {html}");
        }
    }

    #[test]
    fn what_is_placed_can_be_cancelled_and_nothing_else() {
        for status in Status::ALL {
            assert_eq!(order(&order_of(status)).contains("/cancel\""), status == Status::Placed, "{status:?}");
        }
    }

    #[test]
    fn the_list_says_which_kind_it_is_of() {
        let html = list("placed", &[order_of(Status::Placed)], Some("CURSOR"));
        assert!(html.contains("?status=placed\" aria-current=\"true\">placed"), "{html}");
        assert!(html.contains("?after=CURSOR&amp;status=placed\""), "{html}");
        assert!(html.contains(">4</td><td class=\"n wide\">150.00 EUR</td>"), "{html}");
        assert!(list("", &[], None).contains("No orders yet."));
        assert!(list("cancelled", &[], None).contains("No orders of this kind."));
    }
}
