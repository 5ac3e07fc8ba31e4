package faults

import (
	"context"
	"testing"
)

// Mortal is the testing.TB of a process that may die: a failure ends the process, not the test.
type Mortal struct {
	testing.TB
	Ctx      context.Context
	Failures int // of steps, counted by whoever takes them again
}

func (m *Mortal) Context() context.Context { return m.Ctx }

func (m *Mortal) Errorf(string, ...any) {}

func (m *Mortal) Error(...any) {}

func (m *Mortal) Fatalf(string, ...any) { panic(m) }

func (m *Mortal) Fatal(...any) { panic(m) }

func (m *Mortal) Outlives(step func()) (ended bool) {
	defer func() {
		if r := recover(); r != nil && r != any(m) {
			panic(r)
		}
	}()
	step()
	return m.Ctx.Err() == nil
}
