//! The page of the inventory in a browser: forms alone find, add, edit and order, and two who edit the same see both.

use crate::chromium::Browser;
use crate::server::Server;

struct Visitor {
    browser: Browser,
    server: Server,
}

impl Visitor {
    fn start() -> Option<Visitor> {
        // Nobody confirms an order before it is cancelled.
        Some(Visitor { browser: Browser::start()?, server: Server::start(&["--job-workers", "0"]) })
    }

    fn open(&mut self, path: &str) {
        self.browser.open(&self.server.url(path));
    }

    fn path(&mut self) -> String {
        self.browser.eval("location.pathname").as_str().unwrap().to_owned()
    }
}

#[test]
fn forms_alone_add_edit_order_and_delete() {
    let Some(mut visitor) = Visitor::start() else { return };
    visitor.open("/inventory");
    visitor.browser.pictures("inventory-shelf");
    visitor.open("/inventory?q=nothing-like-it");
    visitor.browser.pictures("inventory-empty");
    visitor.open("/inventory/new");
    let wrong = [("name", ""), ("sku", "lamp"), ("price", "much"), ("tags", "light\nlight"), ("stock", "-1")];
    visitor.browser.submit("/products", &wrong);
    visitor.browser.shows("Nothing is saved yet");
    visitor.browser.shows("Tag 2 stands twice.");
    visitor.browser.pictures("inventory-wrong");
    let right =
        [("name", "Desk lamp"), ("sku", "LAMP-77"), ("price", "49,90"), ("tags", "light\ndesk"), ("stock", "5")];
    visitor.browser.submit("/products", &right);
    visitor.browser.shows("It is on the shelf.");
    visitor.browser.pictures("inventory-product");
    let product = visitor.path();

    // Somebody else has the same page open, and is faster.
    let before = visitor.browser.eval("document.querySelector('input[name=version]').value");
    visitor.browser.submit(&product, &[("name", "Desk lamp, hers")]);
    visitor.browser.shows("Saved.");
    visitor
        .browser
        .submit(&product, &[("version", before.as_str().unwrap()), ("name", "Desk lamp, mine"), ("price", "45")]);
    visitor.browser.shows("Somebody was faster");
    visitor.browser.shows("Desk lamp, hers");
    visitor.browser.pictures("inventory-stale");
    visitor.browser.submit(&product, &[]);
    visitor.browser.shows("Saved.");
    visitor.browser.shows("45.00 EUR each");

    visitor.browser.submit("/orders", &[("quantity", "6")]);
    visitor.browser.shows("There are 5 left.");
    visitor.browser.pictures("inventory-out-of-stock");
    visitor.browser.submit("/orders", &[("quantity", "2")]);
    visitor.browser.shows("90.00 EUR");
    visitor.browser.pictures("inventory-order");
    assert_eq!(visitor.browser.eval("document.querySelectorAll('form').length"), 1, "an order can be cancelled");
    visitor.browser.submit("/cancel", &[]);
    visitor.browser.shows("back on the shelf");
    visitor.open("/inventory/orders");
    visitor.browser.shows("90.00 EUR");
    visitor.browser.pictures("inventory-orders");

    visitor.open(&product);
    visitor.browser.submit("/delete", &[]);
    visitor.browser.shows("its SKU is free again");
    visitor.open(&product);
    visitor.browser.shows("There is no such product.");
    // What a browser says of a page that was answered with an error status is no fault of the page.
    visitor.browser.complaints.retain(|complaint| !complaint.contains("Failed to load resource"));
    assert!(visitor.browser.complaints.is_empty(), "{:#?}", visitor.browser.complaints);
}
