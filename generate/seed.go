package generate

// seed is a point in a tree of pseudo-random numbers: of leads to its children, the other methods read its value. A
// child depends on nothing but its parent and its name, so any part of a world can be made without the rest.
type seed uint64

// of gives the child of that name (splitmix64).
func (s seed) of(name uint64) seed {
	x := uint64(s) + (name+1)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return seed(x ^ x>>31)
}

// below gives a number from 0 to n-1, for n below 2^32.
func (s seed) below(n int) int { return int(uint64(s) >> 32 * uint64(n) >> 32) }

// is comes true for the fraction p of seeds.
func (s seed) is(p float64) bool { return uint64(s)>>11 < uint64(p*(1<<53)) }

// within gives a number from 0 to n-1 for n of up to 2^43, such as a span in milliseconds.
func (s seed) within(n int64) int64 {
	if n <= 0 {
		return 0
	}
	return int64(uint64(s) >> 1 % uint64(n))
}

// The names of children.
const (
	ofUsers uint64 = iota
	ofHours
	ofFiles
	ofEmpty
	ofActive
	ofSlot
	ofSlots
	ofInstall
	ofInstallHour
	ofProduct
	ofDevice
	ofTester
	ofZone
	ofDialect
	ofDialectKind
	ofDeviceless
	ofInfoDevice
	ofSkew
	ofSkewTime
	ofReports
	ofRelease
	ofLag
	ofStage
	ofSkip
	ofRollback
	ofRollbackTime
	ofLate
	ofDelay
	ofLoginOnly
	ofLines
	ofLength
	ofStart
	ofSession
	ofSession2
	ofAnonymous
	ofOrder
	ofInfo
	ofNotify
	ofStatus
	ofSwitch
	ofSwitchTo
	ofFirst
	ofEvents
	ofTime
	ofArrival
	ofKind
	ofRepeat
	ofNamed
	ofBad
	ofFault
	ofBody
	ofVariant
	ofEnding
	ofGoodbye
)
