"""How do trainings go out to a Ray cluster, and come back whatever dies there?"""
