-- Every login ends, and whatever the keys have signed is verified no more.
DROP TABLE identity_keys;
DROP TABLE identity_families;
