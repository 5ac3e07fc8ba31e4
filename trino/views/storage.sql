-- What does the lake hold, and how does it grow? One row per table and day on which maintenance weighed the lake, and one for what lies beside the tables.
--
-- date_utc: Day of UTC on which the lake was weighed.
-- layer: bronze, silver, gold or ops; other: what lies beside the tables.
-- table_name: Name of the table, with its layer; other, as above.
-- files: Data files of the newest snapshot.
-- bytes: Bytes of these.
-- snapshot_bytes: Bytes of the data files that any snapshot names: what time travel and tags cost is beyond bytes.
-- held_objects: Objects in the table's folder: metadata, too, and what maintenance has not swept yet.
-- held_bytes: Bytes of these, which are what is paid for.
-- grew_bytes: held_bytes less those of the weighing before; NULL: there is none.
-- day_bytes: Bytes that a day of hours adds to the newest snapshot, by the newest week.
-- weighed_at: When the lake was weighed, UTC.
SELECT date_utc, layer, table_name, files, bytes, snapshot_bytes, held_objects, held_bytes,
       held_bytes - lag(held_bytes) OVER (PARTITION BY table_name ORDER BY date_utc) AS grew_bytes, day_bytes, weighed_at
FROM ops.storage
