package ask

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/versionlake/versionlake/cmd/versionlake/settings"
	"github.com/versionlake/versionlake/cmd/versionlake/usage"
	"github.com/versionlake/versionlake/trino"
)

// views describes the views of the program, which need no Trino to be read.
type views struct{ *settings.Settings }

// viewColumn is a column of a view as --output json writes it.
type viewColumn struct {
	View    string `json:"view"`
	Column  string `json:"column"`
	Comment string `json:"comment"`
}

func newViews(s *settings.Settings) *cobra.Command {
	o := &views{s}
	cmd := &cobra.Command{
		Use:   "views [NAME]",
		Short: "The views that SQL can ask, each with its question; of one, its columns",
		Long: `views lists the views, each with the question that it answers, and views NAME all that is to know of one:
what it counts, and what its columns mean. They are those of this program: versionlake trino
views makes them in a Trino.`,
		Example: `  versionlake views
  versionlake views active_versions`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := trino.Views()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return o.describe(all, args[0])
			}
			return o.list(all)
		},
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		all, _ := trino.Views() // a completion has nowhere to say an error
		return viewNames(all), cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func viewNames(all []trino.View) (names []string) {
	for _, view := range all {
		names = append(names, view.Name)
	}
	return names
}

func (o *views) list(all []trino.View) error {
	p := o.NewPrinter("VIEW", "QUESTION")
	for _, view := range all {
		object := struct {
			View    string `json:"view"`
			Comment string `json:"comment"`
		}{view.Name, view.Comment}
		if err := p.Add(object, view.Name, question(view.Comment)); err != nil {
			return err
		}
	}
	return p.Flush()
}

// question is the first sentence of a view's comment.
func question(comment string) string {
	for i := range comment {
		if strings.HasPrefix(comment[i:], "? ") || strings.HasPrefix(comment[i:], ". ") {
			return comment[:i+1]
		}
	}
	return comment
}

func (o *views) describe(all []trino.View, name string) error {
	for _, view := range all {
		if view.Name != name {
			continue
		}
		if !o.Objects() {
			o.Stdout.Printf("%s\n\n", view.Comment)
		}
		p := o.NewPrinter("COLUMN", "MEANING")
		for _, column := range view.Columns {
			if err := p.Add(viewColumn{name, column.Name, column.Comment}, column.Name, column.Comment); err != nil {
				return err
			}
		}
		return p.Flush()
	}
	return usage.Saidf("there is no view %q%s", name,
		cmp.Or(usage.DidYouMean(name, viewNames(all), ""), ": `versionlake views` lists those that there are"))
}
