package columnar

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
)

// TestCodec: whatever a page holds, any decoder of Zstandard gives it back, and ids take half a byte a digit.
func TestCodec(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	digits := func(n int, alphabet string) []byte {
		text := make([]byte, n)
		for i := range text {
			text[i] = alphabet[random.IntN(len(alphabet))]
		}
		return text
	}
	noise := make([]byte, 300_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	const hex, most = "0123456789ABCDEF", 128 << 10
	other, err := zstd.NewReader(nil)
	require.NoError(t, err)
	for name, page := range map[string][]byte{
		"empty": {}, "short": digits(100, hex), "a block": digits(most, hex), "a byte more": digits(most+1, hex),
		"ids": digits(1<<20, hex), "texts": bytes.Repeat([]byte("{'Name': 'Login', 'UserId': 'u1'}\n"), 20_000),
		"one letter": bytes.Repeat([]byte("a"), 1<<20), "noise": noise,
		"ids behind zeros":      append(make([]byte, 4*most), digits(5*most, hex)...),
		"a block of one letter": append(digits(6*most, hex), bytes.Repeat([]byte("a"), most)...),
		"noise behind ids":      append(digits(6*most, hex), noise...),
	} {
		packed, err := Codec.Encode(nil, page)
		require.NoError(t, err, name)
		unpacked, err := other.DecodeAll(packed, nil)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(page, unpacked), name)
		unpacked, err = Codec.Decode(nil, packed)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(page, unpacked), name)
		again, err := Codec.Encode(packed[:0:0], page)
		require.NoError(t, err, name)
		require.True(t, bytes.Equal(packed, again), "%s: the same page is packed alike", name)
		switch name {
		case "ids":
			require.InDelta(t, len(page)/2, len(packed), float64(len(page))/100)
		case "texts":
			require.Less(t, len(packed), len(page)/100)
		}
	}
}

func BenchmarkCodec(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	page := make([]byte, 256<<10)
	for i := range page {
		page[i] = "0123456789ABCDEF"[random.IntN(16)]
	}
	for name, encode := range map[string]func(dst, src []byte) ([]byte, error){"ids": Codec.Encode,
		"as texts": Codec.Codec.Encode} {
		b.Run(name, func(b *testing.B) {
			var packed []byte
			b.SetBytes(int64(len(page)))
			for b.Loop() {
				packed, _ = encode(packed, page)
			}
			b.ReportMetric(float64(len(packed))/float64(len(page)), "ratio")
		})
	}
}
