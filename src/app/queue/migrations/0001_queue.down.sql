DROP TABLE queue_effects;
DROP TABLE queue_jobs;
DROP TABLE queue_workers;
DROP SEQUENCE queue_fences;
