package finding

import "fmt"

// Text is a sentence that refers to settings, which user interfaces name differently: a key in
// myconfig.yml, a flag for scripts, a question in the wizard.
type Text struct {
	format string
	args   []any
}

// Textf returns a text. Its arguments are those of fmt.Errorf; a [Ref], or an error of [Errorf], stays
// a reference.
func Textf(format string, args ...any) Text { return Text{format, args} }

// Ref is a reference to a setting.
type Ref struct {
	Key   string // of myconfig.yml, if the text is about that file: "storage.s3.region"
	Text  string // the words for scripts, or for readers of myconfig.yml: "with --s3-region"
	Title string // the words in the wizard: "at “Region”"; empty: Text
	In    bool   // Text begins with a preposition
	Other bool   // Text is about another value of the setting than the present one
}

// String returns the text for scripts.
func (t Text) String() string { return t.render(func(r Ref) string { return r.Text }) }

// titled returns the text for the wizard.
func (t Text) titled() string {
	return t.render(func(r Ref) string {
		if r.Title != "" {
			return r.Title
		}
		return r.Text
	})
}

func (t Text) render(words func(Ref) string) string {
	args := make([]any, len(t.args))
	for i, arg := range t.args {
		switch arg := arg.(type) {
		case Ref:
			args[i] = words(arg)
		case *Error:
			args[i] = arg
			if what := arg.what(); what != nil {
				args[i] = what.render(words)
			}
		default:
			args[i] = arg
		}
	}
	return fmt.Errorf(t.format, args...).Error()
}

// replace returns the text with other references.
func (t Text) replace(with func(Ref) Ref) Text {
	args := make([]any, len(t.args))
	for i, arg := range t.args {
		switch arg := arg.(type) {
		case Ref:
			args[i] = with(arg)
		case *Error:
			args[i] = arg
			if what := arg.what(); what != nil {
				args[i] = NewError(Finding{}.WithWhat(what.replace(with)))
			}
		default:
			args[i] = arg
		}
	}
	return Text{t.format, args}
}

// WithWhat returns f with a text as What.
func (f Finding) WithWhat(t Text) Finding {
	f.What, f.what = t.String(), &t
	return f
}

// WithRemedy returns f with a text as Remedy.
func (f Finding) WithRemedy(t Text) Finding {
	f.Remedy, f.remedy = t.String(), &t
	return f
}

// Titled returns f in the words of the wizard.
func (f Finding) Titled() Finding {
	if f.what != nil {
		f.What = f.what.titled()
	}
	if f.remedy != nil {
		f.Remedy = f.remedy.titled()
	}
	return f
}

// Replace returns f with other references, such as flags instead of keys.
func (f Finding) Replace(with func(Ref) Ref) Finding {
	if f.what != nil {
		f = f.WithWhat(f.what.replace(with))
	}
	if f.remedy != nil {
		f = f.WithRemedy(f.remedy.replace(with))
	}
	return f
}
