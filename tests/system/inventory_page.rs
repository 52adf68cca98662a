//! The page of the inventory in a browser: forms alone find, add, edit and order, and two who edit the same see both.

use serde_json::json;

use crate::chromium::Browser;
use crate::server::Server;

/// A desk and a phone, each with light and dark.
const SCREENS: [(u32, &str); 4] = [(1280, "light"), (1280, "dark"), (375, "light"), (375, "dark")];

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

    /// Fills the fields of the form that leads to `action`, and sends it.
    fn submit(&mut self, action: &str, fields: &[(&str, &str)]) {
        let form = format!("document.querySelector('form[action$=\"{action}\"]')");
        for (name, value) in fields {
            self.browser.eval(&format!("void ({form}.elements[{name:?}].value = {})", json!(value)));
        }
        self.browser.eval(&format!("void {form}.requestSubmit()"));
    }

    fn shows(&mut self, text: &str) {
        let text = json!(text);
        self.browser.wait_until(&format!("document.body !== null && document.body.innerText.includes({text})"));
    }

    fn pictures(&mut self, name: &str) {
        for (width, scheme) in SCREENS {
            self.browser.view(width, scheme);
            let is_too_wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth";
            assert_eq!(self.browser.eval(is_too_wide), false, "{name} at {width}");
            self.browser.screenshot(&format!("{name}-{width}-{scheme}"));
        }
    }

    fn path(&mut self) -> String {
        self.browser.eval("location.pathname").as_str().unwrap().to_owned()
    }
}

#[test]
fn forms_alone_add_edit_order_and_delete() {
    let Some(mut visitor) = Visitor::start() else { return };
    visitor.open("/inventory");
    visitor.pictures("inventory-shelf");
    visitor.open("/inventory?q=nothing-like-it");
    visitor.pictures("inventory-empty");
    visitor.open("/inventory/new");
    let wrong = [("name", ""), ("sku", "lamp"), ("price", "much"), ("tags", "light\nlight"), ("stock", "-1")];
    visitor.submit("/products", &wrong);
    visitor.shows("Nothing is saved yet");
    visitor.shows("Tag 2 stands twice.");
    visitor.pictures("inventory-wrong");
    let right =
        [("name", "Desk lamp"), ("sku", "LAMP-77"), ("price", "49,90"), ("tags", "light\ndesk"), ("stock", "5")];
    visitor.submit("/products", &right);
    visitor.shows("It is on the shelf.");
    visitor.pictures("inventory-product");
    let product = visitor.path();

    // Somebody else has the same page open, and is faster.
    let before = visitor.browser.eval("document.querySelector('input[name=version]').value");
    visitor.submit(&product, &[("name", "Desk lamp, hers")]);
    visitor.shows("Saved.");
    visitor.submit(&product, &[("version", before.as_str().unwrap()), ("name", "Desk lamp, mine"), ("price", "45")]);
    visitor.shows("Somebody was faster");
    visitor.shows("Desk lamp, hers");
    visitor.pictures("inventory-stale");
    visitor.submit(&product, &[]);
    visitor.shows("Saved.");
    visitor.shows("45.00 EUR each");

    visitor.submit("/orders", &[("quantity", "6")]);
    visitor.shows("There are 5 left.");
    visitor.pictures("inventory-out-of-stock");
    visitor.submit("/orders", &[("quantity", "2")]);
    visitor.shows("90.00 EUR");
    visitor.pictures("inventory-order");
    assert_eq!(visitor.browser.eval("document.querySelectorAll('form').length"), 1, "an order can be cancelled");
    visitor.submit("/cancel", &[]);
    visitor.shows("back on the shelf");
    visitor.open("/inventory/orders");
    visitor.shows("90.00 EUR");
    visitor.pictures("inventory-orders");

    visitor.open(&product);
    visitor.submit("/delete", &[]);
    visitor.shows("its SKU is free again");
    visitor.open(&product);
    visitor.shows("There is no such product.");
    // What a browser says of a page that was answered with an error status is no fault of the page.
    visitor.browser.complaints.retain(|complaint| !complaint.contains("Failed to load resource"));
    assert!(visitor.browser.complaints.is_empty(), "{:#?}", visitor.browser.complaints);
}
