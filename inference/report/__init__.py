"""What people look at: the picture and page of a case, the page of a cohort; they open offline and fetch nothing."""
