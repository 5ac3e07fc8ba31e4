package lake

// VersionDailyRow is a row of gold.version_daily.
type VersionDailyRow struct {
	// UTC date of the events' own time.
	Date int32 `parquet:"date_utc,date,id(1)"`
	// Id of the service or product.
	Service string `parquet:"service,dict,id(2)"`
	// Version that was running; NULL where no sighting tells.
	Version string `parquet:"version,optional,dict,id(3)"`
	// Device; NULL where nothing names it.
	Device string `parquet:"device,optional,dict,id(4)"`
	// Users with an event here. Summed over devices these are installations, not users: see version_users.
	ActiveUsers int64 `parquet:"active_users,id(5)"`
	// Of active_users, those that are a session nobody is known to own.
	AnonymousUsers int64 `parquet:"anonymous_users,id(6)"`
	// Of active_users, those that count here for the version: sums over devices count each user of a version once.
	VersionUsers int64 `parquet:"version_users,id(7)"`
	// Of active_users, those that count here for the service: sums over versions and devices count each user of a
	// service once.
	ServiceUsers int64 `parquet:"service_users,id(8)"`
	// Sessions with an event here.
	Sessions int64 `parquet:"sessions,id(9)"`
	// SessionEnd events that tell a duration.
	SessionsEnded int64 `parquet:"sessions_ended,id(10)"`
	// Sum of those durations, each rounded to the second.
	SessionSeconds int64 `parquet:"session_seconds,id(11)"`
	// Issue events.
	Issues int64 `parquet:"issues,id(12)"`
	// Notification events of status Sent.
	NotificationsSent int64 `parquet:"notifications_sent,id(13)"`
	// … of status Shown.
	NotificationsShown int64 `parquet:"notifications_shown,id(14)"`
	// … of status Accepted.
	NotificationsAccepted int64 `parquet:"notifications_accepted,id(15)"`
	// … of status Dismissed.
	NotificationsDismissed int64 `parquet:"notifications_dismissed,id(16)"`
	// … of status Failed.
	NotificationsFailed int64 `parquet:"notifications_failed,id(17)"`
	// … of any other status, or of none.
	NotificationsOther int64 `parquet:"notifications_other,id(18)"`
	// Installations whose first interval begins on the date, with this version.
	NewInstallations int64 `parquet:"new_installations,id(19)"`
	// Of new_installations, those of a session nobody is known to own.
	AnonymousInstallations int64 `parquet:"anonymous_installations,id(20)"`
	// Installations that changed on the date to this version from an older one.
	UpgradesIn int64 `parquet:"upgrades_in,id(21)"`
	// Installations that changed on the date from this version to a newer one.
	UpgradesOut int64 `parquet:"upgrades_out,id(22)"`
	// Installations that changed on the date to this version from a newer one.
	DowngradesIn int64 `parquet:"downgrades_in,id(23)"`
	// Installations that changed on the date from this version to an older one.
	DowngradesOut int64 `parquet:"downgrades_out,id(24)"`
	// Installations that changed on the date to this version from one that is neither older nor newer. NULL: 0,
	// counted before there was this column.
	OtherMovesIn *int64 `parquet:"other_moves_in,optional,id(25)"`
	// Installations that changed on the date from this version to one that is neither older nor newer. NULL as above.
	OtherMovesOut *int64 `parquet:"other_moves_out,optional,id(26)"`
}

// Places of the counts of gold.version_daily. Those from FirstMove on follow from gold.users, those before it from
// silver.
const (
	CountActiveUsers = iota
	CountAnonymousUsers
	CountVersionUsers
	CountServiceUsers
	CountVersionSessions
	CountSessionsEnded
	CountSessionSeconds
	CountIssues
	CountNotificationsSent
	CountNotificationsShown
	CountNotificationsAccepted
	CountNotificationsDismissed
	CountNotificationsFailed
	CountNotificationsOther
	CountNewInstallations
	CountAnonymousInstallations
	CountUpgradesIn
	CountUpgradesOut
	CountDowngradesIn
	CountDowngradesOut
	CountOtherMovesIn
	CountOtherMovesOut
	VersionCounts

	FirstMove = CountNewInstallations
)

// Counts are the columns of a row, in the order of their places. Rows of older rules lack the last ones: those are
// noughts.
func (r *VersionDailyRow) Counts() [VersionCounts]*int64 {
	for _, added := range [...]**int64{&r.OtherMovesIn, &r.OtherMovesOut} {
		if *added == nil {
			*added = new(int64)
		}
	}
	return [...]*int64{
		&r.ActiveUsers, &r.AnonymousUsers, &r.VersionUsers, &r.ServiceUsers, &r.Sessions, &r.SessionsEnded,
		&r.SessionSeconds, &r.Issues,
		&r.NotificationsSent, &r.NotificationsShown, &r.NotificationsAccepted, &r.NotificationsDismissed,
		&r.NotificationsFailed,
		&r.NotificationsOther, &r.NewInstallations, &r.AnonymousInstallations, &r.UpgradesIn, &r.UpgradesOut,
		&r.DowngradesIn, &r.DowngradesOut,
		r.OtherMovesIn, r.OtherMovesOut,
	}
}

// EventDailyRow is a row of gold.event_daily.
type EventDailyRow struct {
	// UTC date of the events' own time.
	Date int32 `parquet:"date_utc,date,id(1)"`
	// Id of the service or product.
	Service string `parquet:"service,dict,id(2)"`
	// Version that was running; NULL where no sighting tells.
	Version string `parquet:"version,optional,dict,id(3)"`
	// Device; NULL where nothing names it.
	Device string `parquet:"device,optional,dict,id(4)"`
	// Event of the catalogue.
	EventName string `parquet:"event_name,dict,id(5)"`
	// FeatureUsed: feature. Issue: code. Notification: target version. Install: source. Experiment: experiment.
	// DeviceInfo: operating system. Else NULL.
	Name string `parquet:"name,optional,dict,id(6)"`
	// Issue: severity. Notification: status. Install: campaign. Experiment: variant. DeviceInfo: model. Else NULL.
	Detail string `parquet:"detail,optional,dict,id(7)"`
	// Events.
	Events int64 `parquet:"events,id(8)"`
	// Users with such an event here.
	Users int64 `parquet:"users,id(9)"`
	// Sessions with such an event.
	Sessions int64 `parquet:"sessions,id(10)"`
}
