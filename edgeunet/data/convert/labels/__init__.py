"""The labels of a frame in the forms that exports have them: a mask file, or shapes; both give class indices."""
