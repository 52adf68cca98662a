-- Who there is. A name is kept as it is compared: in lower case. A generation rises with each change of the password.
CREATE TABLE accounts (
    id            uuid        PRIMARY KEY,
    name          text        NOT NULL CHECK (name = lower(name) AND length(name) BETWEEN 3 AND 32),
    roles         text[]      NOT NULL,
    generation    integer     NOT NULL DEFAULT 1 CHECK (generation > 0),
    password_hash text        NOT NULL CHECK (length(password_hash) = 60),
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT accounts_name_key UNIQUE (name)
);
