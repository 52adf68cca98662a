//! Owns how the home page tells of each application: what it does and teaches, and what to try.

use firstbyte::app::home::Entry;

pub(super) const CHAIN: Entry = Entry {
    name: "The chain",
    path: "/chain/quotes",
    about: "A small public API behind logger, limiter and eight more layers: no address gets more than 100 requests in \
            any 60 seconds. It teaches what middleware is, and why its order matters.",
    tries: &[
        "curl -i http://{at}/chain/quotes/random",
        r#"curl -i --json '{"text":"Know thyself.","author":"Delphi"}' http://{at}/chain/quotes"#,
    ],
};

pub(super) const SESSION: Entry = Entry {
    name: "Sessions",
    path: "/session",
    about: "Who are you? Register, log in, see where you are logged in, and log out there. It teaches what a cookie can be \
            trusted with, and what a login must not tell.",
    tries: &["curl -i -d 'name=ada&password=analytical-engine' http://{at}/session/api/login"],
};

pub(super) const IDENTITY: Entry = Entry {
    name: "The issuer",
    path: "/identity",
    about: "What may you do? Signed access tokens that anybody can verify without asking, and refresh tokens that are good \
            once: when a stolen one is used, the login ends.",
    tries: &[
        "curl -s -d 'grant_type=password&client_id=demo-cli&username=ada&password=analytical-engine' \
         http://{at}/identity/token",
        "curl -s http://{at}/identity/.well-known/jwks.json",
    ],
};

pub(super) const CATALOG: Entry = Entry {
    name: "The catalogue",
    path: "/catalog",
    about: "A service that knows nobody's password: what the bearer may do stands in the token. Also a process of its own.",
    tries: &[
        "curl -i http://{at}/catalog/items",
        "firstbyte service catalog --issuer http://{at}/identity --listen 8081",
    ],
};

pub(super) const BILLING: Entry = Entry {
    name: "The invoices",
    path: "/billing",
    about: "Another such service: customers see their own, accountants all.",
    tries: &["curl -i http://{at}/billing/invoices"],
};

pub(super) const INVENTORY: Entry = Entry {
    name: "The inventory",
    path: "/inventory",
    about: "Products and orders as a production API keeps them: every fault of a request at once, versions that nobody \
            overwrites unseen, orders that take stock all or not at all, and a key that makes a second try harmless.",
    tries: &[
        "curl -i 'http://{at}/api/v1/products?sort=-price_cents&limit=2'",
        r#"curl -i --json '{"sku":"","price_cents":-1}' http://{at}/api/v1/products"#,
    ],
};

pub(super) const JOBS: Entry = Entry {
    name: "Jobs",
    path: "/jobs",
    about: "Work that is done later, and at least once: claimed with a lease, tried again with growing pauses, a dead letter \
            at the end, whoever dies meanwhile.",
    tries: &[r#"curl -i --json '{"kind":"echo","payload":{"hello":"ada"}}' http://{at}/jobs/api/jobs"#],
};

pub(super) const WEBHOOKS: Entry = Entry {
    name: "Webhooks",
    path: "/webhooks",
    about: "One event in, a signed POST to each endpoint that wants it, by ten workers, again when it fails, to public addresses \
            alone. It teaches what a queue is for, and how a server is kept from being sent inside.",
    tries: &["curl -i -X POST http://{at}/webhooks/demo"],
};

pub(super) const CANVAS: Entry = Entry {
    name: "The canvas",
    path: "/canvas/lobby",
    about: "A grid of pixels that everybody in a room draws on at once, over WebSocket. It teaches how one stroke reaches \
            thousands without waiting for any, and what is left of those who vanish: nothing.",
    tries: &["curl -s http://{at}/canvas/lobby"],
};

pub(super) const LAB: Entry = Entry {
    name: "The lab",
    path: "/anything",
    about: "Routes with known answers, to try a client, a proxy or a load generator: streams, delays, statuses, \
            redirects, cookies, events.",
    tries: &[
        "curl -i http://{at}/hello/ada",
        "curl -T /etc/os-release http://{at}/echo",
        "curl -N 'http://{at}/sse?count=3&ms=500'",
        r"printf 'GET /hello/ada HTTP/1.1\r\nHost: x\r\n\r\n' | nc -N {host} {port}",
        "firstbyte ws ws://{at}/ws",
    ],
};
