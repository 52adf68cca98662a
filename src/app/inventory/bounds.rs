//! Owns the rows of this application in the catalogue of bounds, and the memory that it may keep.
//!
//! Never: bounds anything itself.

use crate::app::inventory::InventoryConfig;
use crate::app::inventory::domain::listing::{PAGE_MAX, SEARCH_CHARS_MAX};
use crate::app::inventory::domain::once::KEY_BYTES_MAX;
use crate::app::inventory::domain::order::LINES_MAX;
use crate::app::inventory::domain::product::{
    BULK_PRODUCTS_MAX, DESCRIPTION_CHARS_MAX, NAME_CHARS_MAX, TAG_CHARS_MAX, TAGS_MAX,
};
use crate::app::inventory::domain::{Order, Product};
use crate::http::Fault;
use crate::http::bounds::{Amount, Bound, Part, Seen};

/// The texts of a product: each of its characters takes at most four bytes.
const PRODUCT_BYTES: usize =
    4 * (NAME_CHARS_MAX + DESCRIPTION_CHARS_MAX + TAGS_MAX * TAG_CHARS_MAX) + TAGS_MAX * size_of::<String>() + 256;

/// A line of an order.
const LINE_BYTES: usize = 128;

/// What the application bounds for itself.
pub(super) fn rows(config: &InventoryConfig) -> Vec<Bound> {
    let (service, memory) = (&config.service, &config.memory);
    const PRODUCT: &str = "each product takes more memory; four bytes a character";
    vec![
        Bound::fixed("inventory_content_bytes_max", Amount::Bytes(config.content_bytes_max))
            .bounds("Content of a request for one product or order")
            .larger("each request is read for longer, for what is refused")
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("inventory_bulk_bytes_max", Amount::Bytes(config.bulk_bytes_max))
            .bounds("Content of a request for many products")
            .larger("each request holds more memory, and a transaction its locks for longer")
            .seen(Seen::Answer(Fault::ContentTooLarge)),
        Bound::fixed("inventory_timeout", Amount::Time(config.timeout))
            .bounds("From a request to the head of its answer; its statements end with it")
            .larger("a slow database holds more requests")
            .seen(Seen::Answer(Fault::HandlerTimedOut)),
        Bound::fixed("inventory_attempts_max", Amount::Count(service.attempts_max.into()))
            .bounds("How often a transaction is begun when others are in its way")
            .larger("a crowd at one product keeps the database busier")
            .seen(Seen::Refused(503)),
        Bound::fixed("inventory_key_ttl", Amount::Time(service.key_ttl))
            .bounds("How long the answer to an Idempotency-Key is kept")
            .larger("more answers are kept")
            .seen(Seen::Nothing),
        Bound::fixed("inventory_key_bytes_max", Amount::Bytes(KEY_BYTES_MAX as u64))
            .bounds("An Idempotency-Key")
            .larger("each key takes more room")
            .seen(Seen::Refused(400)),
        Bound::fixed("inventory_products_in_memory_max", Amount::count(memory.products_max))
            .bounds("Products that are kept where there is no database")
            .larger("clients fill more memory")
            .seen(Seen::Refused(507)),
        Bound::fixed("inventory_orders_in_memory_max", Amount::count(memory.orders_max))
            .bounds("Orders that are kept where there is no database")
            .larger("clients fill more memory")
            .seen(Seen::Refused(507)),
        Bound::fixed("inventory_answers_in_memory_bytes_max", Amount::Bytes(memory.answers_bytes_max as u64))
            .bounds("Answers that are kept for their keys where there is no database")
            .larger("clients fill more memory")
            .seen(Seen::Refused(507)),
        Bound::fixed("inventory_page_max", Amount::count(PAGE_MAX))
            .bounds("Rows on one page")
            .larger("one answer holds more of them")
            .seen(Seen::Refused(422)),
        Bound::fixed("inventory_bulk_products_max", Amount::count(BULK_PRODUCTS_MAX))
            .bounds("Products of one request")
            .larger("a transaction holds its locks for longer")
            .seen(Seen::Refused(422)),
        Bound::fixed("inventory_lines_max", Amount::count(LINES_MAX))
            .bounds("Lines of an order")
            .larger("a transaction locks more products")
            .seen(Seen::Refused(422)),
        Bound::fixed("inventory_search_chars_max", Amount::count(SEARCH_CHARS_MAX))
            .bounds("Characters of what is searched for")
            .larger("a search takes longer")
            .seen(Seen::Refused(422)),
        Bound::fixed("inventory_name_chars_max", Amount::count(NAME_CHARS_MAX))
            .bounds("Characters of a product's name")
            .larger(PRODUCT)
            .seen(Seen::Refused(422)),
        Bound::fixed("inventory_description_chars_max", Amount::count(DESCRIPTION_CHARS_MAX))
            .bounds("Characters of a product's description")
            .larger(PRODUCT)
            .seen(Seen::Refused(422)),
        Bound::fixed("inventory_tags_max", Amount::count(TAGS_MAX))
            .bounds("Tags of a product")
            .larger(PRODUCT)
            .seen(Seen::Refused(422)),
        Bound::fixed("inventory_tag_chars_max", Amount::count(TAG_CHARS_MAX))
            .bounds("Characters of a tag")
            .larger(PRODUCT)
            .seen(Seen::Refused(422)),
    ]
}

/// What the application may keep.
pub(super) fn kept(config: &InventoryConfig) -> Vec<Part> {
    let memory = &config.memory;
    let bytes = |count: usize, each: usize| (count as u64).saturating_mul(2 * each as u64);
    vec![
        Part::of_process(
            "inventory: products",
            "inventory_products_in_memory_max of the longest, four bytes a character; their tables double as they grow",
            bytes(memory.products_max, PRODUCT_BYTES + size_of::<Product>()),
        ),
        Part::of_process(
            "inventory: orders",
            "inventory_orders_in_memory_max of inventory_lines_max",
            bytes(memory.orders_max, LINES_MAX * LINE_BYTES + size_of::<Order>()),
        ),
        Part::of_process(
            "inventory: answers",
            "inventory_answers_in_memory_bytes_max",
            memory.answers_bytes_max as u64,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_rises_with_what_is_kept() {
        let kept = |config: InventoryConfig| kept(&config).iter().map(|part| part.bytes.unwrap()).sum::<u64>();
        let base = InventoryConfig::default();
        for change in [
            |config: &mut InventoryConfig| config.memory.products_max += 1,
            |config: &mut InventoryConfig| config.memory.orders_max += 1,
            |config: &mut InventoryConfig| config.memory.answers_bytes_max += 1,
        ] {
            let mut config = base.clone();
            change(&mut config);
            assert!(kept(config) > kept(base.clone()));
        }
    }
}
