// Package spelling says how far a name that nobody knows is from one that was perhaps meant.
package spelling

// maxName bounds the names that are compared, in bytes: the work grows with the square.
const maxName = 64

// Distance is how many bytes must be changed, added or left out to make b of a (Levenshtein).
// A name above 64 bytes is 64 away from any other.
func Distance(a, b string) int {
	if len(a) > maxName || len(b) > maxName {
		return maxName
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
