package hours

import (
	"cmp"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/versionlake/versionlake/lake/objects"
	"github.com/versionlake/versionlake/telemetry"
)

// candidate is an event on its way from a chunk to silver: one that matters, or that names its session's user.
type candidate struct {
	kind          telemetry.Kind
	key           int64  // session key
	session       string // "": the event has none
	transactionID string
	transaction   int64
	time          int64
	service       string
	bodyHash      uint64
	file          int // place in the plan's files: their order
	line          int64
	attributes    [telemetry.NumAttributes]string
}

func appendCandidate(buffer []byte, event *telemetry.Event, file int, line int64) []byte {
	buffer = append(buffer, byte(event.Kind))
	buffer = objects.AppendText(buffer, event.Session)
	buffer = objects.AppendText(buffer, event.TransactionID)
	buffer = binary.AppendVarint(buffer, event.Transaction)
	buffer = binary.AppendVarint(buffer, event.Time)
	buffer = objects.AppendText(buffer, event.ServiceName)
	buffer = binary.LittleEndian.AppendUint64(buffer, xxhash.Sum64(event.Body))
	buffer = binary.AppendUvarint(buffer, uint64(file))
	buffer = binary.AppendUvarint(buffer, uint64(line))
	mask := uint64(0)
	for a := telemetry.Attribute(0); a < telemetry.NumAttributes; a++ {
		if _, ok := event.Attribute(a); ok {
			mask |= 1 << a
		}
	}
	buffer = binary.AppendUvarint(buffer, mask)
	for a := telemetry.Attribute(0); a < telemetry.NumAttributes; a++ {
		if text, ok := event.Attribute(a); ok {
			buffer = objects.AppendText(buffer, text)
		}
	}
	return buffer
}

func decodeCandidate(d *objects.Decoder) (c candidate) {
	c.kind = telemetry.Kind(d.Data[0])
	d.Data = d.Data[1:]
	c.session = d.Text()
	c.key = int64(xxhash.Sum64String(c.session))
	c.transactionID = d.Text()
	c.transaction = d.Varint()
	c.time = d.Varint()
	c.service = d.Text()
	if len(d.Data) < 8 {
		d.Failed = true
		return c
	}
	c.bodyHash = binary.LittleEndian.Uint64(d.Data)
	d.Data = d.Data[8:]
	c.file = int(d.Uvarint())
	c.line = int64(d.Uvarint())
	mask := d.Uvarint()
	for a := range c.attributes {
		if mask&(1<<a) != 0 {
			c.attributes[a] = d.Text()
		}
	}
	return c
}

// compare orders candidates by session, and within a session as events are ordered (docs/ARCHITECTURE.md, Identity).
func (c *candidate) compare(other *candidate) int {
	switch {
	case c.key != other.key:
		return cmp.Compare(c.key, other.key)
	case c.session != other.session:
		return cmp.Compare(c.session, other.session)
	case c.time != other.time:
		return cmp.Compare(c.time, other.time)
	case c.transaction != other.transaction:
		return cmp.Compare(c.transaction, other.transaction)
	case c.file != other.file:
		return cmp.Compare(c.file, other.file)
	}
	return cmp.Compare(c.line, other.line)
}
