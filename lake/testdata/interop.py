"""Reads a lake with PyIceberg and prints as JSON what it finds. Called by TestPyIceberg."""
import datetime
import json
import sys

from pyiceberg.catalog.sql import SqlCatalog

database, warehouse = sys.argv[1:]
catalog = SqlCatalog("versionlake", uri=f"sqlite:///{database}", warehouse=warehouse, init_catalog_tables="false")
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)


def micros(moment):
    return None if moment is None else (moment - epoch) // datetime.timedelta(microseconds=1)


def users(scan):
    found = []
    for row in scan.to_arrow().to_pylist():
        row["history"] = [{k: micros(v) if isinstance(v, datetime.datetime) else v for k, v in i.items()} for i in row["history"]]
        found.append({k: micros(v) if isinstance(v, datetime.datetime) else v for k, v in row.items()})
    return sorted(found, key=lambda row: row["user_id"].encode())


def undocumented(schema):
    return [schema.find_column_name(f.field_id) for f in schema.fields if not f.doc]


tables = {}
for (namespace,) in catalog.list_namespaces():
    for identifier in catalog.list_tables(namespace):
        table = catalog.load_table(identifier)
        tables[".".join(identifier)] = {
            "rows": table.scan().to_arrow().num_rows,
            "format": table.format_version,
            "columns": [f.name for f in table.schema().fields],
            "undocumented": undocumented(table.schema()),
            "comment": table.properties.get("comment", ""),
        }

gold = catalog.load_table("gold.users")
tags = {name: users(gold.scan(snapshot_id=ref.snapshot_id)) for name, ref in gold.metadata.refs.items() if ref.snapshot_ref_type == "tag"}

bronze = catalog.load_table("bronze.events")
hour = bronze.scan(row_filter="p_ingest_date_utc = '2022-05-27' and p_ingest_hour_utc = 5")
day = catalog.load_table("silver.sightings").scan(row_filter="p_ingest_hour_utc = 5")
one = gold.scan(row_filter="user_id = 'p1'")
print(json.dumps({
    "tables": tables,
    "users": users(gold.scan()),
    "tags": tags,
    "all_files": len(list(bronze.scan().plan_files())),
    "hour_files": len(list(hour.plan_files())),
    "hour_rows": hour.to_arrow().num_rows,
    "day_files": len(list(day.plan_files())),
    "day_rows": day.to_arrow().num_rows,
    "gold_files": len(list(gold.scan().plan_files())),
    "one_files": len(list(one.plan_files())),
    "one": users(one),
    "history_doc": gold.schema().find_field("history.element.valid_to").doc,
}))
