-- Run once, as the service account: what analysts see of a user id is a hash keyed by this secret. Whoever reads the bucket
-- could read it there, but the ids as well. To change all masked ids, delete the row and insert another.
CREATE SCHEMA IF NOT EXISTS masking;
CREATE TABLE IF NOT EXISTS masking.secret AS
SELECT CAST(uuid() AS varchar) || CAST(uuid() AS varchar) AS secret;
