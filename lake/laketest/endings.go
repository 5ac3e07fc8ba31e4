package laketest

import (
	"github.com/versionlake/versionlake/lake/forget"
)

// ForgetAs forgets a user of a lake whose lines are read as in.parsing says.
func (in *Ingester) ForgetAs(user string) {
	in.TB.Helper()
	ctx := in.TB.Context()
	erasure, err := forget.BeginForget(ctx, in.Lake, user)
	in.Must(err)
	_, err = forget.FindSessions(ctx, in.Lake, erasure, in.Parsing)
	in.Must(err)
	for _, name := range forget.ErasableTables() {
		_, err := forget.EraseTable(ctx, in.Lake, erasure, name, in.Parsing, func(int64) {})
		in.Must(err)
	}
	in.Must(forget.RecountErased(ctx, in.Lake, erasure))
	proof, err := forget.ProveForgotten(ctx, in.Lake, erasure, func(int64) {})
	in.Must(err)
	_, err = forget.FinishForget(ctx, in.Lake, erasure, nil, proof)
	in.Must(err)
}
