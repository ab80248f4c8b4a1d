package filesystem

import (
	"context"
	"fmt"
	"testing"

	"packhouse/server/reference"
)

// TestTagListsStayFew asks for more names than there are lists: names that nothing is behind leave none, others push the coldest out at once,
// so that nobody has to look through many.
func TestTagListsStayFew(t *testing.T) {
	s, err := Open(context.Background(), Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range 3 {
		repo, err := reference.ParseRepository(fmt.Sprintf("nothing/%d", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Tags(context.Background(), repo, "", 10); err == nil {
			t.Errorf("%s has tags", repo)
		}
	}
	if n := len(s.tagLists.by); n != 0 {
		t.Errorf("%d lists of repositories that are not here", n)
	}
	l := newTagLists(s, 10)
	for i := range mostLists + 10 {
		l.of(fmt.Sprint(i), true)
	}
	if n := len(l.by); n != mostLists {
		t.Errorf("%d lists", n)
	}
	if l.of("9", false) != nil || l.of("10", false) == nil {
		t.Error("not the coldest were dropped")
	}
}
