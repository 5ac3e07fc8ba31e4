package watch

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/notify"
)

func newNotify(s *settings.Settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Try whether people would be called",
		Long: `notify has to do with the file --rules, which says what of the checks' news goes to whom: Slack,
e-mail, a signed webhook. docs/CHECKS.md describes it.`,
		Example: `  versionlake notify test --rules rules.yaml`,
		Args:    cobra.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return usage.Errorf("notify takes: test, digest") },
	}
	o := &notifyTest{Settings: s}
	test := &cobra.Command{
		Use:   "test [RULE ...]",
		Short: "Send a test message to the receivers of all rules, or of some, from here",
		Long: `test sends each receiver of the rules a message that says that it is a test, once, from this process:
variables and files that the rules name for secrets are read here. The exit code is 1 where one did not
take it.`,
		Example: `  versionlake notify test --rules rules.yaml on-call`,
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	week := &cobra.Command{
		Use:   "digest [RECEIVER ...]",
		Short: "Send the week to whom the rules name, or to some receivers, from here",
		Long: `digest sends the last seven whole days to each receiver of digest in the rules, once, as workers do on
Mondays. versionlake report --digest shows it here. The exit code is 1 where one did not take it.`,
		Example: `  versionlake notify digest --rules rules.yaml managers`,
		Args:    cobra.ArbitraryArgs,
		RunE:    func(cmd *cobra.Command, args []string) error { return o.runDigest(cmd.Context(), args) },
	}
	s.AddRulesFlag(test)
	s.AddRulesFlag(week)
	cmd.AddCommand(test, week)
	return cmd
}

type notifyTest struct{ *settings.Settings }

// sent is what --output json writes.
type sent struct {
	Rule     string `json:"rule"`
	Receiver string `json:"receiver"`
	Error    string `json:"error,omitempty"`
}

func (o *notifyTest) run(ctx context.Context, names []string) error {
	if o.Rules == "" {
		return usage.Errorf("name the file of rules: --rules or VERSIONLAKE_RULES")
	}
	rules, err := notify.Read(o.Rules)
	if err != nil {
		return usage.Errorf("%w", err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(rules.Rules, func(r notify.Rule) bool { return r.Name == name }) {
			return usage.Errorf("there is no rule %q", name)
		}
	}
	p := o.NewPrinter("RULE", "RECEIVER", "RESULT")
	failed := false
	for _, route := range rules.Routes() {
		if len(names) > 0 && !slices.Contains(names, route.Rule) {
			continue
		}
		result := sent{Rule: route.Rule, Receiver: route.Receiver}
		said := "taken"
		if err := rules.Send(ctx, route.Receiver, notify.TestMessage(rules.Name, route.Rule, time.Now())); err != nil {
			failed, said, result.Error = true, err.Error(), err.Error()
		}
		if err := p.Add(result, route.Rule, route.Receiver, said); err != nil {
			return err
		}
	}
	if err := p.Flush(); err != nil {
		return err
	}
	if failed {
		return errors.New("not every receiver took the test message")
	}
	return nil
}
