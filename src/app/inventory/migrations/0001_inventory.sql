-- Products, orders and what makes a request count once.

-- A name is compared byte by byte, so that every node and every repository sorts alike. `searched` is what a search looks into,
-- in lower case. A product that is deleted stays for its orders.
CREATE TABLE inventory_products (
    id          uuid        PRIMARY KEY,
    sku         text        COLLATE "C" NOT NULL CHECK (sku ~ '^[A-Z0-9][A-Z0-9-]{1,31}$'),
    name        text        COLLATE "C" NOT NULL CHECK (length(name) BETWEEN 1 AND 120),
    description text        NOT NULL CHECK (length(description) <= 2000),
    price_cents bigint      NOT NULL CHECK (price_cents BETWEEN 0 AND 100000000),
    currency    text        NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    stock       bigint      NOT NULL CONSTRAINT inventory_products_stock_check CHECK (stock >= 0),
    tags        text[]      NOT NULL CHECK (cardinality(tags) <= 10),
    searched    text        COLLATE "C" NOT NULL,
    version     bigint      NOT NULL CHECK (version > 0),
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    deleted_at  timestamptz
);

-- An SKU is that of one living product; who has died leaves it to others.
CREATE UNIQUE INDEX inventory_products_sku_key ON inventory_products (sku) WHERE deleted_at IS NULL;

-- One for each order of the list: a page is a range of one of them, however far down it is.
CREATE INDEX inventory_products_created_at ON inventory_products (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX inventory_products_name ON inventory_products (name, id) WHERE deleted_at IS NULL;
CREATE INDEX inventory_products_price ON inventory_products (price_cents, id) WHERE deleted_at IS NULL;
CREATE INDEX inventory_products_stock ON inventory_products (stock, id) WHERE deleted_at IS NULL;
CREATE INDEX inventory_products_tags ON inventory_products USING gin (tags) WHERE deleted_at IS NULL;

CREATE TABLE inventory_orders (
    id          uuid        PRIMARY KEY,
    status      text        NOT NULL CHECK (status IN ('placed', 'confirmed', 'cancelled')),
    total_cents bigint      NOT NULL CHECK (total_cents >= 0),
    currency    text        NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE INDEX inventory_orders_created_at ON inventory_orders (created_at, id);
CREATE INDEX inventory_orders_status ON inventory_orders (status, created_at, id);

CREATE TABLE inventory_order_lines (
    order_id         uuid   NOT NULL REFERENCES inventory_orders,
    line             bigint NOT NULL,
    product_id       uuid   NOT NULL REFERENCES inventory_products,
    sku              text   NOT NULL,
    quantity         bigint NOT NULL CHECK (quantity > 0),
    unit_price_cents bigint NOT NULL CHECK (unit_price_cents >= 0),
    PRIMARY KEY (order_id, line)
);

-- A key with the answer to its request: written in the transaction of the change, or not at all.
CREATE TABLE inventory_keys (
    route      text        NOT NULL,
    key        text        NOT NULL,
    content    bytea       NOT NULL,
    answer     jsonb       NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (route, key)
);

CREATE INDEX inventory_keys_expires_at ON inventory_keys (expires_at);
