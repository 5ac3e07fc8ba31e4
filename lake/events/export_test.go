package events

// LargeSession lets tests have sessions that count as large.
var LargeSession = &largeSession
