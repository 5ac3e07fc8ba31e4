import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Properties;

/**
 * What a program that speaks JDBC does first: it lists what is there, and asks with a prepared query.
 *
 * Arguments: the URL, a user, the password, and a time. It prints a fact a line, its fields apart by tabs.
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
			try (var query = connection.prepareStatement(
					"SELECT service, device, version FROM version_intervals WHERE user_kind = ? AND valid_from <= ? AND ? < valid_until")) {
				var time = Timestamp.from(Instant.parse(arguments[3]));
				query.setString(1, "user");
				query.setTimestamp(2, time);
				query.setTimestamp(3, time);
				print("version", query.executeQuery(), "service", "device", "version");
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
