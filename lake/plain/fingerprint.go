package plain

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/versionlake/versionlake/lake"
)

// Fingerprint tells equal rows without keeping them.
type Fingerprint [16]byte

func FingerprintOf(texts []string, numbers ...int64) Fingerprint {
	var buffer []byte
	for _, text := range texts {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(len(text)))
		buffer = append(buffer, text...)
	}
	for _, number := range numbers {
		buffer = binary.LittleEndian.AppendUint64(buffer, uint64(number))
	}
	sum := sha256.Sum256(buffer)
	return Fingerprint(sum[:16])
}

func EventPrint(row *lake.SilverRow) Fingerprint {
	return FingerprintOf([]string{row.EventName, row.SessionID, row.ServiceName, row.UserID, row.Version, row.Device,
		row.OS, row.Model, row.Memory, row.Target, row.Status, row.Duration, row.Feature, row.Code, row.Severity,
		row.Message, row.Source, row.Campaign, row.Experiment, row.Variant}, row.Transaction, row.Time)
}

func SightingPrint(row *lake.SightingRow) Fingerprint {
	return FingerprintOf([]string{row.SessionID, row.UserID, row.ServiceName, row.Device, row.Version},
		row.Transaction, row.Time)
}

func BindingPrint(row *lake.BindingRow) Fingerprint {
	return FingerprintOf([]string{row.SessionID, row.Value}, row.Transaction, row.Time)
}
