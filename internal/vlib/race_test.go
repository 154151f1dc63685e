//go:build race

package vlib_test

const raceDetector = true
