from fastapi import APIRouter, Depends

from parcels.security import current_user

router = APIRouter(prefix="/parcels")


@router.get("")
def parcels(user=Depends(current_user)):
    return []


@router.get("/{number}")
def parcel(number: str):
    return {"number": number}
