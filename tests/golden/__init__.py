"""Pictures that AUTOMATIC1111 1.10.1 drew, the requests that made them, and the random models they were drawn with."""
