// Package forgetting forgets users of lakes of tests, step by step as the workflow does, and looks for what is left.
package forgetting
