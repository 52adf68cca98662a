-- Everybody who is there is gone with it.
DROP TABLE accounts;
