def current_user():
    return "somebody"
