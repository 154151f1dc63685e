package main

import "testing"

func TestWrapText(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"one two three four", "one two\nthree four"},
		{"one\ntwo", "one two"},
		{"one\n\ntwo three", "one\n\ntwo three"},
		{"one:\n  kept as it is here\ntwo", "one:\n  kept as it is here\ntwo"},
		{"a-word-that-is-too-long b", "a-word-that-is-too-long\nb"},
		{"äöüäö äöüäö", "äöüäö\näöüäö"},
	} {
		if got := wrapText(test.in, 10); got != test.want {
			t.Errorf("%q: %q, want %q", test.in, got, test.want)
		}
	}
}
