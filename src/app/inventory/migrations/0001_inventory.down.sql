DROP TABLE inventory_keys;
DROP TABLE inventory_order_lines;
DROP TABLE inventory_orders;
DROP TABLE inventory_products;
