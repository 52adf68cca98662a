DROP TABLE queue_schedules;
