"""Topics of ROS 2: what a message's bytes mean, and the two ways to send and receive them."""
