// Package activities holds the steps of the workflows: thin methods of structs that hold their dependencies. They turn
// the errors of the packages beneath into what Temporal should do about them, and tell it that they are alive.
package activities
