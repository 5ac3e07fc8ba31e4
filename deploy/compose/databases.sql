-- Postgres runs this once, when its volume is empty. The database lake, of the catalog, is POSTGRES_DB.
CREATE DATABASE temporal;
CREATE DATABASE temporal_visibility;
CREATE DATABASE superset;
