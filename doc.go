// Package serpy carries messages from one program to another, whole, in
// order and once, over a link that breaks.
package serpy
