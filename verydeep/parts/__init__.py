"""What every dataset is: pictures in parts, what is said of them, how parts are drawn."""
