package objects

import (
	"runtime"
	"sync"
)

// Lanes is one T per processor, zero at first, each with its own lock: goroutines that fill them seldom wait.
type Lanes[T any] []lane[T]

type lane[T any] struct {
	mutex sync.Mutex
	value T
}

func NewLanes[T any]() Lanes[T] { return make([]lane[T], runtime.GOMAXPROCS(0)) }

// With works on a lane that nobody else works on.
func (l Lanes[T]) With(work func(*T) error) error {
	free := 0
	for free < len(l)-1 && !l[free].mutex.TryLock() {
		free++
	}
	if free == len(l)-1 {
		l[free].mutex.Lock()
	}
	defer l[free].mutex.Unlock()
	return work(&l[free].value)
}

// All are the lanes, for when nobody works on them any more.
func (l Lanes[T]) All() []*T {
	values := make([]*T, len(l))
	for i := range l {
		values[i] = &l[i].value
	}
	return values
}
