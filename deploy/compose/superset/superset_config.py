# Superset reads this file because its folder is on its PYTHONPATH.
import os

SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = (
    f"postgresql+psycopg2://versionlake:{os.environ['POSTGRES_PASSWORD']}@postgres/superset"
)
