//! Many at once: nothing is sold twice, nothing is lost, nobody is stuck.

use serde_json::{Value, json};

use super::client::{Client, order, post, refused, unique};

const BUYERS: usize = 200;
const PIECES: i64 = 100;

pub async fn all(client: &Client) {
    of_two_hundred_buyers_a_hundred_get_one_of_a_hundred(client).await;
    orders_of_the_same_products_in_any_order_all_end(client).await;
}

/// Asks again while it is told to: what a client does.
async fn buy(client: &Client, content: &Value) -> u16 {
    let key = unique("key");
    loop {
        let answer = client.ask(post("/orders", content).with("Idempotency-Key", &key)).await;
        match answer.status.code() {
            503 => assert!(answer.field("retry-after").is_some()),
            status => return status,
        }
    }
}

async fn of_two_hundred_buyers_a_hundred_get_one_of_a_hundred(client: &Client) {
    let product = client.product(json!({"stock": PIECES})).await;
    let buyers = (0..BUYERS).map(|_| {
        let (client, content) = (client.clone(), order(&[(&product, 1)]));
        tokio::spawn(async move { buy(&client, &content).await })
    });
    let (mut sold, mut refused) = (0, 0);
    for buyer in buyers.collect::<Vec<_>>() {
        match buyer.await.unwrap() {
            201 => sold += 1,
            409 => refused += 1,
            status => panic!("{status}"),
        }
    }
    assert_eq!((sold, refused, client.stock(&product).await), (100, 100, 0));
}

async fn orders_of_the_same_products_in_any_order_all_end(client: &Client) {
    let mut products = Vec::new();
    for _ in 0..4 {
        products.push(client.product(json!({"stock": 60})).await);
    }
    let orders = (0..60).map(|number| {
        let mut lines: Vec<(&Value, i64)> = products.iter().map(|product| (product, 1)).collect();
        lines.rotate_left(number % 4);
        if number % 2 == 0 {
            lines.reverse();
        }
        let (client, content) = (client.clone(), order(&lines));
        tokio::spawn(async move { buy(&client, &content).await })
    });
    for order in orders.collect::<Vec<_>>() {
        assert_eq!(order.await.unwrap(), 201);
    }
    for product in &products {
        assert_eq!(client.stock(product).await, 0);
    }
    let (status, code, _) = refused(&client.order(&[(&products[0], 1)]).await);
    assert_eq!((status, code.as_str()), (409, "out_of_stock"));
}
