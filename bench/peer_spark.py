"""The same work in PySpark on Iceberg tables: partitions are overwritten, filtered, and merged.

  peer_spark.py SOURCE OUT
"""

import glob
import os

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from hours import EVENTS, arguments, each_hour

SOURCE, OUT = arguments()
JAR = glob.glob(os.path.join(os.environ["SPARK_JARS_OF_ICEBERG"], "iceberg-spark-runtime-*.jar"))[0]
CATALOG = "spark.sql.catalog.lake"
SETTINGS = {
    "spark.jars": JAR, "spark.driver.memory": "4g", "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "8",
    "spark.sql.session.timeZone": "UTC", CATALOG: "org.apache.iceberg.spark.SparkCatalog",
    CATALOG + ".type": "hadoop", CATALOG + ".warehouse": f"file://{os.path.abspath(OUT)}/warehouse",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
}
BUILDER = SparkSession.builder.master(f"local[{len(os.sched_getaffinity(0))}]")
for name, value in SETTINGS.items():
    BUILDER = BUILDER.config(name, value)
SPARK = BUILDER.getOrCreate()
SPARK.sparkContext.setLogLevel("ERROR")
INTERVAL = ("array<struct<service: string, device: string, version: string, valid_from: timestamp, "
            "last_seen_at: timestamp, sightings: bigint>>")
PLACE = "date string, hour string"
for table, columns, partition in (
    ("bronze", "category string, time timestamp, service string, session string, transaction bigint, body string, "
     f"file string, event string, {PLACE}", "date, hour"),
    ("silver", "session string, service string, event string, time timestamp, user string, version string, "
     f"device string, {PLACE}", "date, hour"),
    ("gold", f"user string, history {INTERVAL}", "bucket(8, user)"),
):
    SPARK.sql(f"create table lake.db.{table} ({columns}) using iceberg partitioned by ({partition})")


def body(key):
    found = F.regexp_extract("body", f"'{key}': '?([^',}}]*)", 1)
    return F.when(found != "", found)


def hour(_, folder):
    year, month, day, number = folder.split("/")[-4:]
    date = f"{year}-{month}-{day}"
    line = F.split("value", "\t", 6)
    lines = SPARK.read.text(folder).select(
        line[0].alias("category"), F.to_timestamp(line[1], "yyyy-MM-dd'T'HH:mm:ss.SSSZ").alias("time"),
        line[2].alias("service"), line[3].alias("session"), line[4].cast("bigint").alias("transaction"),
        line[5].alias("body"), F.input_file_name().alias("file"))
    lines.select("*", body("Name").alias("event"), F.lit(date).alias("date"), F.lit(number).alias("hour")).writeTo(
        "lake.db.bronze").overwritePartitions()

    here = (F.col("date") == date) & (F.col("hour") == number)
    SPARK.table("lake.db.bronze").where(here & F.col("event").isin(EVENTS)).select(
        "session", "service", "event", "time", body("PlayerId").alias("user"), body("Version").alias("version"),
        body("Device").alias("device"), "date", "hour").writeTo("lake.db.silver").overwritePartitions()

    events = SPARK.table("lake.db.silver")
    nobody = F.concat(F.lit("session:"), "session")
    users = events.where("event = 'Login'").groupBy("session").agg(F.first("user").alias("user"))
    seen = events.where("event = 'SoftwareVersion'").drop("user").join(users, "session", "left").withColumn(
        "user", F.coalesce("user", nobody))
    # A Login may name the user of what an earlier hour gave to nobody: that row goes, and the user's row changes.
    sessions = events.where(here).select("session").distinct()
    touched = seen.join(sessions, "session", "left_semi").select("user").union(
        sessions.select(nobody.alias("user"))).distinct()
    order = Window.partitionBy("user", "service", "device").orderBy("time")
    changed = F.when(F.lag("version").over(order).eqNullSafe(F.col("version")), 0).otherwise(1)
    intervals = seen.join(touched, "user", "left_semi").withColumn("changed", changed).withColumn(
        "interval", F.sum("changed").over(order.rowsBetween(Window.unboundedPreceding, 0))).groupBy(
        "user", "service", "device", "version", "interval").agg(
        F.min("time").alias("valid_from"), F.max("time").alias("last_seen_at"), F.count("*").alias("sightings"))
    columns = ["service", "device", "version", "valid_from", "last_seen_at", "sightings"]
    changed = intervals.groupBy("user").agg(
        F.sort_array(F.collect_list(F.struct("valid_from", F.struct(*columns).alias("all")))).alias("sorted"),
    ).select("user", F.expr("transform(sorted, each -> each.all)").alias("history"))
    # What MERGE would do, which Spark 4.1 can't plan with Iceberg 1.12: its copy-on-write writes the buckets anew, too.
    SPARK.table("lake.db.gold").join(touched, "user", "left_anti").unionByName(changed).writeTo(
        "lake.db.gold").overwritePartitions()


each_hour(SOURCE, hour)
SPARK.table("lake.db.gold").write.parquet(f"{OUT}/gold")
