//! The command line of firstbyte.
use firstbyte::http::{Body, Request, Router, Server, router::RouteOptions};

async fn echo(_: (), request: Request) -> Body {
    request.into_content()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let routes = Router::new(())
        .route("GET /plaintext", |(), _| async { "Hello, World!" })
        .route("GET /slow", |(), _| async {
            tokio::time::sleep(std::time::Duration::from_secs(2)).await;
            "slow"
        })
        .route_with("POST /echo", RouteOptions { content_bytes_max: Some(2 << 30), ..Default::default() }, echo)
        .build()?;
    Server::new(routes).listen("127.0.0.1:8080").await?;
    Ok(())
}
