package activities

import "strings"

// TaskQueue is where the workers of a lake meet their work; one with a name has a queue of its own.
const TaskQueue = "versionlake"

// QueueOf is the task queue of the lake with a name, or of the one without.
func QueueOf(name string) string {
	if name == "" {
		return TaskQueue
	}
	return TaskQueue + "-" + name
}

// IDIn is the id of a workflow or a schedule among those whose workers meet at a queue. Several lakes may share a
// namespace of Temporal, and each has its own hours, its own writer of gold, and so on.
func IDIn(queue, id string) string {
	name, named := strings.CutPrefix(queue, TaskQueue+"-")
	if !named || strings.HasPrefix(id, name+"/") {
		return id
	}
	return name + "/" + id
}
