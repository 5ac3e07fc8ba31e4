import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Properties;

/**
 * What a program that speaks JDBC does first: it lists what is there, and asks with prepared queries.
 *
 * Arguments: the URL, a user, the password, a time, a user of the lake, and one or more tags. It prints a fact a line, its fields
 * apart by tabs.
 */
class Client {
	public static void main(String[] arguments) throws Exception {
		var login = new Properties();
		login.put("user", arguments[1]);
		login.put("password", arguments[2]);
		try (var connection = DriverManager.getConnection(arguments[0], login)) {
			var lists = connection.getMetaData();
			print("catalog", lists.getCatalogs(), "TABLE_CAT");
			print("schema", lists.getSchemas("versionlake", null), "TABLE_SCHEM");
			print("table", lists.getTables("versionlake", "views", null, null), "TABLE_NAME", "TABLE_TYPE");
			print("column", lists.getColumns("versionlake", "views", null, null), "TABLE_NAME", "COLUMN_NAME", "REMARKS");
			// The driver lists tables without their comments.
			try (var query = connection.prepareStatement(
					"SELECT table_name, comment FROM system.metadata.table_comments WHERE catalog_name = ? AND schema_name = ?")) {
				query.setString(1, "versionlake");
				query.setString(2, "views");
				print("comment", query.executeQuery(), "table_name", "comment");
			}
			var time = Timestamp.from(Instant.parse(arguments[3]));
			try (var query = connection.prepareStatement(
					"SELECT user_id, service, device, version FROM version_intervals WHERE user_kind = ? AND valid_from <= ? AND ? < valid_until")) {
				query.setString(1, "user");
				query.setTimestamp(2, time);
				query.setTimestamp(3, time);
				print("version", query.executeQuery(), "user_id", "service", "device", "version");
			}
			for (var tag : Arrays.copyOfRange(arguments, 5, arguments.length)) {
				if (!tag.matches("hour-[0-9T.-]+")) // Trino takes no parameter for a tag
					throw new IllegalArgumentException(tag);
				try (var query = connection.prepareStatement(
						"SELECT h.service, h.device, h.version, CAST(h.valid_to AS varchar) AS valid_to FROM gold.users FOR VERSION AS OF '" + tag + "' AS u"
								+ " CROSS JOIN UNNEST(u.history) AS h (service, device, version, valid_from, valid_to, last_seen_at, sightings, is_downgrade)"
								+ " WHERE u.user_id = ? AND h.valid_from <= ? AND (h.valid_to IS NULL OR ? < h.valid_to)")) {
					query.setString(1, arguments[4]);
					query.setTimestamp(2, time);
					query.setTimestamp(3, time);
					print(tag, query.executeQuery(), "service", "device", "version", "valid_to");
				}
			}
		}
	}

	static void print(String kind, ResultSet rows, String... columns) throws SQLException {
		while (rows.next()) {
			var fields = new ArrayList<String>();
			fields.add(kind);
			for (var column : columns)
				fields.add(String.valueOf(rows.getString(column)));
			System.out.println(String.join("\t", fields));
		}
	}
}
